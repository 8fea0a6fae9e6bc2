// Progress of long work: a bar on a terminal, plain lines elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

namespace lemur {

/// Returns a duration for people: "0.4s", "42s", "2m05s", "1h02m", "3d04h"; "?" for what is
/// negative or not finite.
std::string format_duration(double seconds);

struct ProgressOptions {
  std::string title = {};              ///< what is going on, such as "train"
  int64_t total = 0;                   ///< units of work; 0: unknown
  int64_t done = 0;                    ///< units done before this process started (a resumed run)
  std::ostream* out = nullptr;         ///< null: stderr
  std::function<double()> clock = {};  ///< monotonic seconds; empty: the steady clock
  int terminal_width = -1;          ///< columns; 0: no terminal, plain lines; -1: what `stderr` is
  double seconds_per_redraw = 0.1;  ///< on a terminal
  double seconds_per_line = 10;     ///< elsewhere
};

/// Shows title, done/total, rate, time left and a free text. On a terminal one line is redrawn in
/// place; elsewhere a line is written when the first seconds_per_line have passed, then at most
/// that often, and at the end. Not thread-safe.
class Progress {
 public:
  explicit Progress(ProgressOptions options);
  /// Ends the bar's line, so that what is printed next (an error) starts on its own.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Says that `done` units are done in all; `text` stands at the end of the line.
  void update(int64_t done, std::string_view text = {});

  /// Prints a whole line of its own, above the bar.
  void note(std::string_view line);

  /// Shows the last state with the time taken. Later calls do nothing.
  void finish();

 private:
  std::string line(bool at_end) const;
  std::string bar() const;
  void draw(bool at_end);

  ProgressOptions options_;
  double start_, last_shown_;
  int64_t done_;
  std::string text_;
  bool drawn_ = false, finished_ = false;  // drawn_: the bar's line is open
};

}  // namespace lemur
