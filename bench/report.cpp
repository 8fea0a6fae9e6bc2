#include "bench/report.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "bench/peak.h"
#include "lemur/base/error.h"
#include "lemur/simd/path.h"

namespace lemur {
namespace {

constexpr double kMostShare = 1.05;  // of the roof

double best_of_five(const std::function<double()>& rate) {
  double best = 0;
  for (int i = 0; i < 5; ++i) best = std::max(best, rate());
  return best;
}

double measure_gflops(int threads) {
  constexpr int64_t kRounds = 2'000'000;
  std::vector<float> results(static_cast<size_t>(threads));
  return best_of_five([&] {
    const double seconds = seconds_of([&] {
      at::parallel_for(0, threads, 1, [&](int64_t first, int64_t last) {
        for (int64_t thread = first; thread < last; ++thread)
          results[static_cast<size_t>(thread)] = multiply_and_add(kRounds);
      });
    });
    return 1e-9 * static_cast<double>(peak_flops() * kRounds * threads) / seconds;
  });
}

/// Sums of far more than the caches hold.
double measure_gigabytes_second(int threads) {
  constexpr int64_t kValues = 1 << 24;  // of each thread: 128 MiB
  std::vector<std::vector<int64_t>> values(static_cast<size_t>(threads),
                                           std::vector<int64_t>(kValues, 1));
  std::vector<int64_t> sums(static_cast<size_t>(threads));
  return best_of_five([&] {
    const double seconds = seconds_of([&] {
      at::parallel_for(0, threads, 1, [&](int64_t first, int64_t last) {
        for (auto thread = static_cast<size_t>(first); thread < static_cast<size_t>(last); ++thread)
          sums[thread] += std::accumulate(values[thread].begin(), values[thread].end(), int64_t{0});
      });
    });
    return 8e-9 * kValues * threads / seconds;
  });
}

/// A number with three digits or more, and M, k where it is large.
std::string short_number(double value) {
  if (value >= 1e6) return fmt::format("{:.2f} M", value / 1e6);
  if (value >= 1e3) return fmt::format("{:.1f} k", value / 1e3);
  return fmt::format("{:.1f}", value);
}

}  // namespace

double Roof::milliseconds(double flops, double bytes) const {
  return std::max(gflops > 0 ? flops / gflops * 1e-6 : 0,
                  gigabytes_second > 0 ? bytes / gigabytes_second * 1e-6 : 0);
}

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  auto quantile = [&](double share) {
    return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
  };
  return {quantile(0.5), quantile(0.25), quantile(0.75)};
}

void Report::path() {
  if (!options_.json) fmt::print("path: {}\n", simd::path());
}

void Report::check_share(const std::string& name, double share) const {
  if (share > kMostShare)
    fail<InternalError>(
        "bench",
        "{} reaches {:.0f} % of the roof of {:.1f} GFLOP/s and {:.1f} GB/s, so that "
        "one of the two is wrong",
        name, 100 * share, roof_.gflops, roof_.gigabytes_second);
}

const Roof& Report::roof(int threads) {
  roof_ = {};
  roof_threads_ = threads;
  raise_roof();
  return roof_;
}

void Report::raise_roof() {
  roof_ = {std::max(roof_.gflops, measure_gflops(roof_threads_)),
           std::max(roof_.gigabytes_second, measure_gigabytes_second(roof_threads_))};
  figures("roof", fmt::format("{} threads", roof_threads_),
          {{"gflops", roof_.gflops}, {"gigabytes_per_second", roof_.gigabytes_second}});
}

void Report::alternate(const std::string& bench, const std::string& title,
                       const std::vector<Variant>& variants) {
  for (const Variant& variant : variants) variant.call();
  std::vector<std::vector<double>> times(variants.size());
  for (int round = 0; round < options_.rounds; ++round)
    for (size_t i = 0; i < variants.size(); ++i)
      times[i].push_back(1e3 * seconds_of(variants[i].call));
  for (size_t i = 0; i < variants.size(); ++i)
    row(bench, title, variants[i], spread_of(times[i]), i == 0);
}

void Report::row(const std::string& bench, const std::string& title, const Variant& variant,
                 const Spread& time, bool first, const nlohmann::ordered_json& parts) {
  if (first) first_median_ = time.median;
  const double ratio = time.median / first_median_;
  const auto milliseconds_at_roof = [&] {
    return roof_.milliseconds(variant.below_roof ? variant.flops : 0, variant.bytes);
  };
  // Another program may have taken the cores while the roof was measured.
  if (milliseconds_at_roof() > kMostShare * time.median) raise_roof();
  const double least = milliseconds_at_roof();
  if (least > 0) check_share(variant.name, least / time.median);
  if (options_.json) {
    nlohmann::ordered_json line = {{"bench", bench},           {"case", title},
                                   {"path", simd::path()},     {"variant", variant.name},
                                   {"median_ms", time.median}, {"low_ms", time.low},
                                   {"high_ms", time.high},     {"ratio", ratio}};
    if (variant.flops > 0) line["gflops"] = variant.flops / time.median * 1e-6;
    if (variant.bytes > 0) line["gigabytes_per_second"] = variant.bytes / time.median * 1e-6;
    if (variant.items > 0) line["items_per_second"] = variant.items / time.median * 1e3;
    if (least > 0) line["share_of_roof"] = least / time.median;
    if (!parts.empty()) line["parts"] = parts;
    fmt::print("{}\n", line.dump());
  } else {
    if (first)
      fmt::print("\n{}: {}\n{:<40}{:>10}{:>10}{:>10}{:>8}\n", bench, title, "", "ms", "25 %",
                 "75 %", "ratio");
    fmt::print("{:<40}{:>10.3f}{:>10.3f}{:>10.3f}{:>8.2f}", variant.name, time.median, time.low,
               time.high, ratio);
    if (variant.flops > 0) fmt::print("{:>8.1f} GFLOP/s", variant.flops / time.median * 1e-6);
    if (variant.bytes > 0) fmt::print("{:>7.1f} GB/s", variant.bytes / time.median * 1e-6);
    if (variant.items > 0) fmt::print("{:>10}/s", short_number(variant.items / time.median * 1e3));
    if (least > 0) fmt::print("{:>5.0f}% of roof", 100 * least / time.median);
    for (const auto& [name, value] : parts.items())
      fmt::print("  {} {:.3f}", name, value.get<double>());
    fmt::print("\n");
  }
  std::fflush(stdout);
}

void Report::figures(const std::string& bench, const std::string& title,
                     const nlohmann::ordered_json& values) {
  if (options_.json) {
    nlohmann::ordered_json line = {{"bench", bench}, {"case", title}, {"path", simd::path()}};
    line.update(values);
    fmt::print("{}\n", line.dump());
  } else {
    fmt::print("\n{}: {}\n", bench, title);
    for (const auto& [name, value] : values.items())
      fmt::print("{:<40}{:>10.4g}\n", name, value.get<double>());
  }
  std::fflush(stdout);
}

}  // namespace lemur
