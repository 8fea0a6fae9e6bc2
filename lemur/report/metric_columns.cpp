#include "lemur/report/metric_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lemur {
namespace {

struct Line {
  int64_t step = 0;
  double hours = 0;
  std::map<std::string, double> values;
};

double six_digits(double value) {
  return std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr);
}

/// Adds up the time between lines; a pause, from a line to the start after it, does not count.
class Stopwatch {
 public:
  explicit Stopwatch(std::span<const double> starts) : starts_(starts) {}

  double hours_until(double time) {
    if (!last_) last_ = starts_.empty() ? time : std::min(starts_.front(), time);
    while (next_ < starts_.size() && starts_[next_] <= time)
      last_ = std::max(*last_, starts_[next_++]);
    seconds_ += std::max(0.0, time - *last_);
    last_ = time;
    return seconds_ / 3600;
  }

 private:
  std::span<const double> starts_;
  size_t next_ = 0;
  std::optional<double> last_;
  double seconds_ = 0;
};

/// Returns the mean of neighbouring lines; each name of those that have it.
Line mean_of(std::span<const Line> lines) {
  Line mean{.step = lines.back().step, .hours = lines.back().hours, .values = {}};
  std::map<std::string, int> counts;
  for (const Line& line : lines)
    for (const auto& [name, value] : line.values) {
      mean.values[name] += value;
      ++counts[name];
    }
  for (auto& [name, value] : mean.values) value /= counts[name];
  return mean;
}

std::vector<Line> thinned(const std::vector<Line>& lines, size_t most) {
  const size_t each = (lines.size() + most - 1) / most;
  if (each <= 1) return lines;
  std::vector<Line> kept;
  for (size_t begin = 0; begin < lines.size(); begin += each)
    kept.push_back(mean_of(std::span(lines).subspan(begin, std::min(each, lines.size() - begin))));
  return kept;
}

nlohmann::ordered_json columns_of(const std::vector<Line>& lines) {
  nlohmann::ordered_json columns = {{"step", nlohmann::json::array()},
                                    {"hours", nlohmann::json::array()}};
  for (size_t i = 0; i < lines.size(); ++i) {
    columns["step"].push_back(lines[i].step);
    columns["hours"].push_back(six_digits(lines[i].hours));
    for (const auto& [name, value] : lines[i].values) {
      auto& column = columns[name];
      while (column.size() < i) column.push_back(nullptr);
      column.push_back(six_digits(value));
    }
  }
  for (auto& column : columns)
    while (column.size() < lines.size()) column.push_back(nullptr);
  return columns;
}

}  // namespace

MetricColumns read_metrics(const std::filesystem::path& run, std::span<const double> starts,
                           size_t most_lines) {
  MetricColumns metrics;
  std::vector<Line> training, validation;
  Stopwatch watch(starts);
  std::ifstream in(run / "metrics.jsonl");
  for (std::string text; std::getline(in, text);) {
    const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer() ||
        !json.contains("time") || !json["time"].is_number()) {
      if (!in.eof()) ++metrics.unreadable_lines;  // else a running program is about to end it
      continue;
    }
    Line line{.step = json["step"], .hours = watch.hours_until(json["time"]), .values = {}};
    bool evaluated = false;
    for (const auto& [name, value] : json.items()) {
      if (name == "step" || name == "time" || !value.is_number()) continue;
      line.values[name] = value;
      evaluated = evaluated || name.starts_with("valid/");
    }
    metrics.last_step = line.step;
    metrics.hours = line.hours;
    (evaluated ? validation : training).push_back(std::move(line));
  }
  metrics.training = columns_of(thinned(training, most_lines));
  metrics.validation = columns_of(validation);
  return metrics;
}

}  // namespace lemur
