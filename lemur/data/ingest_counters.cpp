#include "lemur/data/ingest_counters.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lemur/base/error.h"
#include "lemur/data/count_map.h"
#include "lemur/data/record_reader.h"

namespace lemur {
namespace {

constexpr const char* kWhere = "ingest";
constexpr double kMsPerDay = 86'400'000;
constexpr size_t kNoRun = std::numeric_limits<size_t>::max();

}  // namespace

/// The events of some splits, each sorted by time, merged in the order of time.
class CounterPass::Timeline {
 public:
  Timeline(const std::filesystem::path& path, const std::vector<StoreSchema::Split>& all,
           const std::vector<size_t>& splits)
      : splits_(splits) {
    for (size_t split : splits_) runs_.emplace_back(path, all[split].begin, all[split].end);
    choose();
  }

  bool has_event() const { return first_ != kNoRun; }
  const Event& event() const { return runs_[first_].record(); }
  size_t split() const { return splits_[first_]; }
  void advance() {
    runs_[first_].advance();
    choose();
  }
  bool is_before(int64_t time) const { return has_event() && event().time < time; }

 private:
  void choose() {
    first_ = kNoRun;
    for (size_t i = 0; i < runs_.size(); ++i)
      if (runs_[i].has_record() &&
          (first_ == kNoRun || runs_[i].record().time < runs_[first_].record().time))
        first_ = i;
  }

  std::vector<size_t> splits_;
  std::vector<RecordReader<Event>> runs_;
  size_t first_ = kNoRun;
};

CounterPass::CounterPass(const IngestContext& context, size_t index)
    : options_(context.options.data.counter[index]),
      path_(context.folder.file(fmt::format("counter_{}.tmp", index))),
      events_(path_),
      delay_ms_(std::llround(options_.delay_seconds * 1000)),
      window_ms_(std::llround(options_.window_days * kMsPerDay)) {
  const auto& labels = context.schema.labels;
  label_ = static_cast<size_t>(std::ranges::find(labels, options_.label) - labels.begin());
  if (window_ms_ > 0 && window_ms_ <= delay_ms_)
    fail<InvalidArgument>(
        kWhere,
        "counter by {}: window_days = {} is not longer than delay_seconds = {}, it would count "
        "nothing",
        fmt::join(options_.by, ", "), options_.window_days, options_.delay_seconds);
  for (size_t i = 0; i < context.schema.splits.size(); ++i)
    if (options_.splits.empty()) splits_.push_back(i);
  for (const std::string& name : options_.splits) {
    const StoreSchema::Split& split = context.schema.split(name);
    auto number = static_cast<size_t>(&split - context.schema.splits.data());
    if (std::ranges::find(splits_, number) == splits_.end()) splits_.push_back(number);
  }
}

void CounterPass::append(int64_t time, uint64_t key, bool label) {
  Event event{time, key << 1 | static_cast<uint64_t>(label)};
  events_.append(&event, sizeof(event));
}

void CounterPass::pass(const IngestContext& context,
                       const std::vector<std::filesystem::path>& rates,
                       const std::vector<std::filesystem::path>& counts) {
  const auto& splits = context.schema.splits;
  std::vector<ColumnFile> rate_files, count_files;
  std::vector<size_t> all;
  for (size_t i = 0; i < splits.size(); ++i) {
    rate_files.emplace_back(rates[i]);
    count_files.emplace_back(counts[i]);
    all.push_back(i);
  }
  CountMap map;
  double clicks = 0, count = 0;  // of all keys
  Timeline known(path_, splits, splits_), expired(path_, splits, splits_);
  for (Timeline now(path_, splits, all); now.has_event(); now.advance()) {
    int64_t time = now.event().time;
    for (; known.is_before(time - delay_ms_); known.advance()) {
      bool clicked = (known.event().key_and_label & 1) != 0;
      map.add(known.event().key_and_label >> 1, clicked);
      ++count, clicks += clicked;
    }
    for (; window_ms_ > 0 && expired.is_before(time - window_ms_); expired.advance()) {
      bool clicked = (expired.event().key_and_label & 1) != 0;
      map.remove(expired.event().key_and_label >> 1, clicked);
      --count, clicks -= clicked;
    }
    CountMap::Counts of = map.find(now.event().key_and_label >> 1);
    double prior = (clicks + 1) / (count + 2);
    rate_files[now.split()].append((of.clicks + options_.smoothing * prior) /
                                   (of.count + options_.smoothing));
    count_files[now.split()].append(std::log1p(static_cast<double>(of.count)));
  }
  for (ColumnFile& file : rate_files) file.close();
  for (ColumnFile& file : count_files) file.close();
  most_keys_ = map.most_keys();
}

void CounterPass::write_feature(IngestContext& context, const char* kind,
                                const std::vector<std::filesystem::path>& raw) const {
  const std::string& user = context.options.data.columns.user;
  bool has_user = std::ranges::find(options_.by, user) != options_.by.end();
  StoreSchema::Feature feature{
      .name = fmt::format("{}({})", kind, fmt::join(options_.by, ",")),
      .of = !has_user ? "context" : (options_.by.size() == 1 ? "user" : "cross"),
      .is_number = true};
  // Several counters of one key differ in their label, window or splits.
  size_t same = 1;
  std::string plain = feature.name;
  while (std::ranges::find(context.schema.features, feature.name, &StoreSchema::Feature::name) !=
         context.schema.features.end())
    feature.name = fmt::format("{}#{}", plain, ++same);
  NumberFile file(context.folder, context.schema.features.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    const StoreSchema::Split& split = context.schema.splits[i];
    RecordReader<double> values(raw[i], 0, split.end - split.begin);
    for (; values.has_record(); values.advance())
      file.append(values.record(), split.name == "train");
    std::filesystem::remove(raw[i]);
  }
  file.close(feature);
  context.summary["counters"][feature.name] = {{"most_keys", most_keys_},
                                               {"label", options_.label},
                                               {"mean", feature.mean},
                                               {"deviation", feature.deviation},
                                               {"missing", file.num_missing()}};
  context.schema.features.push_back(feature);
}

void CounterPass::write_features(IngestContext& context) {
  events_.close();
  std::vector<std::filesystem::path> rates, counts;
  for (size_t i = 0; i < context.schema.splits.size(); ++i) {
    rates.push_back(path_.string() + fmt::format(".rate.{}", i));
    counts.push_back(path_.string() + fmt::format(".count.{}", i));
  }
  pass(context, rates, counts);
  std::filesystem::remove(path_);
  write_feature(context, "rate", rates);
  write_feature(context, "count", counts);
}

}  // namespace lemur
