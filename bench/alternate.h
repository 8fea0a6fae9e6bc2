// Times variants in turns, so that whatever else slows the machine hits all of them.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace lemur {

struct Variant {
  std::string name;
  double flops;  ///< of one call; 0: none are counted
  std::function<void()> call;
};

/// Calls every variant once untimed, then `rounds` times in turns, and prints a line for each:
/// median, lower and upper quartile in milliseconds, how many times as long as the first one the
/// median is, GFLOP/s and their share of `peak` (GFLOP/s).
inline void alternate(const std::string& title, int rounds, double peak,
                      const std::vector<Variant>& variants) {
  for (const Variant& variant : variants) variant.call();
  std::vector<std::vector<double>> times(variants.size());
  for (int round = 0; round < rounds; ++round)
    for (size_t i = 0; i < variants.size(); ++i) {
      auto begin = std::chrono::steady_clock::now();
      variants[i].call();
      std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
      times[i].push_back(took.count());
    }
  fmt::print("{}\n{:<34}{:>9}{:>9}{:>9}{:>8}{:>9}{:>7}\n", title, "", "median", "25 %", "75 %",
             "ratio", "GFLOP/s", "peak");
  double first = 0;
  for (size_t i = 0; i < variants.size(); ++i) {
    std::sort(times[i].begin(), times[i].end());
    auto quantile = [&](double share) {
      return times[i][static_cast<size_t>(share * static_cast<double>(times[i].size() - 1))];
    };
    double median = quantile(0.5);
    if (i == 0) first = median;
    fmt::print("{:<34}{:>9.2f}{:>9.2f}{:>9.2f}{:>8.2f}", variants[i].name, median, quantile(0.25),
               quantile(0.75), median / first);
    if (variants[i].flops > 0) {
      double rate = variants[i].flops / median / 1e6;
      fmt::print("{:>9.1f}{:>6.0f}%", rate, 100 * rate / peak);
    }
    fmt::print("\n");
  }
}

}  // namespace lemur
