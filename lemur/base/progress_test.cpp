#include "lemur/base/progress.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

namespace lemur {
namespace {

struct Screen {
  double now = 100;
  std::ostringstream out;

  ProgressOptions options(int width) {
    return {.title = "train",
            .total = 200,
            .out = &out,
            .clock = [this] { return now; },
            .terminal_width = width};
  }
  /// Returns what was printed since the last call.
  std::string take() {
    std::string text = out.str();
    out.str("");
    return text;
  }
};

TEST(FormatDuration, NamesTheTwoLargestUnits) {
  EXPECT_EQ(format_duration(0), "0.0s");
  EXPECT_EQ(format_duration(0.44), "0.4s");
  EXPECT_EQ(format_duration(9.96), "10s");
  EXPECT_EQ(format_duration(59.4), "59s");
  EXPECT_EQ(format_duration(59.6), "1m00s");
  EXPECT_EQ(format_duration(125), "2m05s");
  EXPECT_EQ(format_duration(3599.7), "1h00m");
  EXPECT_EQ(format_duration(3720), "1h02m");
  EXPECT_EQ(format_duration(86399.9), "1d00h");
  EXPECT_EQ(format_duration(3 * 86400 + 4 * 3600), "3d04h");
  EXPECT_EQ(format_duration(-1), "?");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::infinity()), "?");
  EXPECT_EQ(format_duration(std::nan("")), "?");
}

TEST(Progress, WritesPlainLinesAtMostEveryTenSecondsAndAtTheEnd) {
  Screen screen;
  Progress progress(screen.options(0));
  progress.update(1, "loss 0.7");
  EXPECT_EQ(screen.take(), "");
  screen.now += 10;
  progress.update(50, "loss 0.6");
  EXPECT_EQ(screen.take(), "train 50/200 (25%) 5.00/s 30s left  loss 0.6\n");
  screen.now += 9;
  progress.update(60, "loss 0.5");
  EXPECT_EQ(screen.take(), "");
  screen.now += 1;
  progress.update(200, "loss 0.4");
  EXPECT_EQ(screen.take(), "train 200/200 (100%) 10/s 0.0s left  loss 0.4\n");
  progress.finish();
  EXPECT_EQ(screen.take(), "train 200/200 (100%) 10/s took 20s  loss 0.4\n");
  progress.finish();
  progress.update(1);
  EXPECT_EQ(screen.take(), "");
}

TEST(Progress, RedrawsOneLineOnATerminal) {
  Screen screen;
  Progress progress(screen.options(80));
  progress.update(0);
  EXPECT_EQ(screen.take(), "\rtrain [                    ] 0/200 (0%)\x1b[K");
  progress.update(10);
  EXPECT_EQ(screen.take(), "");
  screen.now += 10;
  progress.update(100, "auc 0.7");
  EXPECT_EQ(screen.take(),
            "\rtrain [==========          ] 100/200 (50%) 10/s 10s left  auc 0.7\x1b[K");
  progress.note("valid: auc 0.71");
  EXPECT_EQ(screen.take(),
            "\r\x1b[Kvalid: auc 0.71\n"
            "\rtrain [==========          ] 100/200 (50%) 10/s 10s left  auc 0.7\x1b[K");
  progress.finish();
  EXPECT_EQ(screen.take(),
            "\rtrain [==========          ] 100/200 (50%) 10/s took 10s  auc 0.7\x1b[K\n");
}

TEST(Progress, CutsTheLineToTheTerminalBetweenCharacters) {
  Screen screen;
  Progress progress(screen.options(43));
  progress.update(0, "äöü");
  // 39 columns, two blanks, and of "äöü" (2 bytes each) not even the first fits into 42 bytes.
  EXPECT_EQ(screen.take(), "\rtrain [                    ] 0/200 (0%)  \x1b[K");
}

TEST(Progress, CountsTheRateOfAResumedRunFromItsOwnWork) {
  Screen screen;
  ProgressOptions options = screen.options(0);
  options.done = 100;
  Progress progress(options);
  screen.now += 10;
  progress.update(150);
  EXPECT_EQ(screen.take(), "train 150/200 (75%) 5.00/s 10s left\n");
}

TEST(Progress, SaysNoShareWhereTheTotalIsUnknown) {
  Screen screen;
  ProgressOptions options = screen.options(80);
  options.total = 0;
  Progress progress(options);
  progress.update(0);
  EXPECT_EQ(screen.take(), "\rtrain 0\x1b[K");
  screen.now += 1;
  progress.update(31);
  EXPECT_EQ(screen.take(), "\rtrain 31 31/s\x1b[K");
}

TEST(Progress, LeavesACleanLineWhenItIsAbandoned) {
  Screen screen;
  {
    Progress progress(screen.options(80));
    progress.update(1);
    screen.take();
  }
  EXPECT_EQ(screen.take(), "\n");
  { Progress progress(screen.options(0)); }
  EXPECT_EQ(screen.take(), "");
}

}  // namespace
}  // namespace lemur
