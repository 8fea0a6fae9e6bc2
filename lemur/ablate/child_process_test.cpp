#include "lemur/ablate/child_process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "lemur/base/folder.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

TEST(ChildProcess, KeepsOutputApartFromTheLogAndReturnsTheExitCode) {
  const TemporaryFolder folder;
  const ChildOptions options{.command = {"/bin/sh", "-c", "echo out; echo err >&2; exit 7"},
                             .output = folder.path() / "out",
                             .log = folder.path() / "log"};
  EXPECT_EQ(run_child(options), 7);
  EXPECT_EQ(run_child(options), 7);
  EXPECT_EQ(read_file(options.output), "out\n");
  EXPECT_EQ(read_file(options.log), "err\nerr\n");
}

TEST(ChildProcess, TellsTheSignalThatEndedIt) {
  const TemporaryFolder folder;
  EXPECT_EQ(run_child({.command = {"/bin/sh", "-c", "kill -9 $$"},
                       .output = folder.path() / "out",
                       .log = folder.path() / "log"}),
            128 + 9);
}

TEST(ChildProcess, AsksTheProgramToStop) {
  const TemporaryFolder folder;
  std::atomic<bool> stop = false;
  std::thread later([&] {
    while (!std::filesystem::exists(folder.path() / "ready"))
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    stop = true;
  });
  const std::string script = "trap 'exit 42' INT; touch " + (folder.path() / "ready").string() +
                             "; while :; do sleep 0.02; done";
  EXPECT_EQ(run_child({.command = {"/bin/sh", "-c", script},
                       .output = folder.path() / "out",
                       .log = folder.path() / "log",
                       .stop = &stop}),
            42);
  later.join();
}

TEST(ChildProcess, IsOutsideOfThisProcessGroup) {
  const TemporaryFolder folder;
  const ChildOptions options{.command = {"/usr/bin/cut", "-d ", "-f5", "/proc/self/stat"},
                             .output = folder.path() / "out",
                             .log = folder.path() / "log"};
  ASSERT_EQ(run_child(options), 0);
  EXPECT_NE(std::stoi(read_file(options.output)), ::getpgrp());
}

TEST(ChildProcess, NoticesAProgramThatIsNotThere) {
  const TemporaryFolder folder;
  EXPECT_EQ(run_child({.command = {"/nothing/here"},
                       .output = folder.path() / "out",
                       .log = folder.path() / "log"}),
            127);
}

}  // namespace
}  // namespace lemur
