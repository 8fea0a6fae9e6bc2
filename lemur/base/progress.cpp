#include "lemur/base/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <limits>

namespace lemur {
namespace {

constexpr int64_t kBarWidth = 20;

double steady_seconds() {
  using std::chrono::steady_clock;
  return std::chrono::duration<double>(steady_clock::now().time_since_epoch()).count();
}

int stderr_width() {
  if (!::isatty(STDERR_FILENO)) return 0;
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// Cuts to at most `bytes` without splitting a UTF-8 character.
void cut(std::string& text, size_t bytes) {
  if (text.size() <= bytes) return;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  text.resize(bytes);
}

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e12) return "?";
  if (seconds < 9.95) return fmt::format("{:.1f}s", seconds);
  auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole / 3600 % 24);
}

Progress::Progress(ProgressOptions options) : options_(std::move(options)) {
  if (options_.out == nullptr) options_.out = &std::cerr;
  if (!options_.clock) options_.clock = steady_seconds;
  if (options_.terminal_width < 0) options_.terminal_width = stderr_width();
  done_ = options_.done;
  start_ = options_.clock();
  // The bar shows at once; a plain line waits for its interval.
  last_shown_ = options_.terminal_width > 0 ? -std::numeric_limits<double>::infinity() : start_;
}

Progress::~Progress() {
  if (drawn_ && !finished_) *options_.out << '\n' << std::flush;
}

void Progress::update(int64_t done, std::string_view text) {
  if (finished_) return;
  done_ = done;
  text_ = text;
  double interval =
      options_.terminal_width > 0 ? options_.seconds_per_redraw : options_.seconds_per_line;
  if (options_.clock() - last_shown_ >= interval) draw(false);
}

void Progress::note(std::string_view line) {
  if (drawn_ && !finished_) *options_.out << "\r\x1b[K";
  *options_.out << line << '\n' << std::flush;
  if (drawn_ && !finished_) draw(false);
}

void Progress::finish() {
  if (finished_) return;
  draw(true);
  finished_ = true;
}

std::string Progress::bar() const {
  int64_t filled = std::clamp<int64_t>(kBarWidth * done_ / options_.total, 0, kBarWidth);
  return fmt::format("[{}{}] ", std::string(filled, '='), std::string(kBarWidth - filled, ' '));
}

std::string Progress::line(bool at_end) const {
  double elapsed = options_.clock() - start_;
  double rate = elapsed > 0 ? static_cast<double>(done_ - options_.done) / elapsed : 0;
  std::string line = options_.title + ' ';
  if (options_.total > 0) {
    if (options_.terminal_width > 0) line += bar();
    line += fmt::format("{}/{} ({}%)", done_, options_.total, 100 * done_ / options_.total);
  } else {
    line += fmt::format("{}", done_);
  }
  if (rate > 0) line += fmt::format(" {:.{}f}/s", rate, rate < 10 ? 2 : 0);
  if (at_end)
    line += fmt::format(" took {}", format_duration(elapsed));
  else if (rate > 0 && options_.total >= done_)
    line += fmt::format(" {} left",
                        format_duration(static_cast<double>(options_.total - done_) / rate));
  if (!text_.empty()) line += "  " + text_;
  return line;
}

void Progress::draw(bool at_end) {
  std::string shown = line(at_end);
  if (options_.terminal_width > 0) {
    // The last column stays free: some terminals wrap as soon as it is written.
    cut(shown, static_cast<size_t>(std::max(options_.terminal_width - 1, 1)));
    *options_.out << '\r' << shown << "\x1b[K" << (at_end ? "\n" : "") << std::flush;
    drawn_ = !at_end;
  } else {
    *options_.out << shown << '\n' << std::flush;
  }
  last_shown_ = options_.clock();
}

}  // namespace lemur
