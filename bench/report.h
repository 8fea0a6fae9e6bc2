// Times variants in turns and writes down what came of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lemur {

/// Returns how long the call takes.
template <typename Body>
double seconds_of(const Body& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// One way to do the work of a case.
struct Variant {
  std::string name;
  std::function<void()> call;
  double flops = 0;        ///< of one call; 0: not counted
  double bytes = 0;        ///< that a call must at least move from or to memory; 0: not counted
  double items = 0;        ///< of one call; 0: not counted
  bool below_roof = true;  ///< false: operations in 8 bits, which float32's roof does not bound
};

struct ReportOptions {
  int rounds = 15;
  int threads = 2;
  bool json = false;  ///< a JSON object a line instead of tables
};

/// What a machine gives at most, measured: the roof under which kernels run.
struct Roof {
  double gflops = 0;            ///< GFLOP/s of float32 multiply-adds in registers
  double gigabytes_second = 0;  ///< read from memory

  /// Returns the least milliseconds of this work.
  double milliseconds(double flops, double bytes) const;
};

/// Median and quartiles, milliseconds.
struct Spread {
  double median = 0, low = 0, high = 0;
};
Spread spread_of(std::vector<double> values);

/// Prints results as they come: a table for people, or lines for programs.
class Report {
 public:
  explicit Report(const ReportOptions& options) : options_(options) {}

  const ReportOptions& options() const { return options_; }

  /// Measures the roof of `threads` threads; from then on shares of it are reported.
  const Roof& roof(int threads);

  /// Prints the path that the loops take (simd/path.h), which every line for programs names too.
  void path();

  /// Calls every variant once untimed, then in turns, so that whatever else slows the machine hits
  /// all of them. The ratio is the variant's median over that of the first one. Throws
  /// InternalError where a variant is faster than the roof by more than 5 %: then the roof is
  /// wrong.
  void alternate(const std::string& bench, const std::string& title,
                 const std::vector<Variant>& variants);

  /// Reports what was timed elsewhere. `first`: the row begins a case, and is what the ratios of
  /// the next ones refer to. `parts`: what the time consists of, by name, milliseconds.
  void row(const std::string& bench, const std::string& title, const Variant& variant,
           const Spread& time, bool first, const nlohmann::ordered_json& parts = {});

  /// Reports figures that are no times.
  void figures(const std::string& bench, const std::string& title,
               const nlohmann::ordered_json& values);

 private:
  void check_share(const std::string& name, double share) const;
  void raise_roof();

  ReportOptions options_;
  Roof roof_;
  int roof_threads_ = 1;
  double first_median_ = 0;
};

}  // namespace lemur
