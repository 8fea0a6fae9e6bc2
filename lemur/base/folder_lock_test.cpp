#include "lemur/base/folder_lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "lemur/base/testing.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

TEST(FolderLock, TellsProcessAndHostOfItsHolder) {
  TemporaryFolder scratch;
  const fs::path folder = scratch.path() / "deep" / "run";
  std::optional<FolderLock> held;
  held.emplace(folder, "train");
  char host[256] = "";
  ::gethostname(host, sizeof(host) - 1);
  EXPECT_EQ(
      message_of<DataError>([&] { FolderLock second(folder, "train"); }),
      fmt::format("[train] {} is in use by process {} on {}", folder.string(), ::getpid(), host));
  held.reset();
  EXPECT_NO_THROW(FolderLock(folder, "train")) << "free again";
}

TEST(FolderLock, IsFreedByACrash) {
  TemporaryFolder scratch;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    FolderLock held(scratch.path(), "train");
    const char byte = 1;
    if (::write(ready[1], &byte, 1) == 1) ::pause();
    ::_exit(1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  expect_error<DataError>([&] { FolderLock second(scratch.path(), "train"); },
                          fmt::format("in use by process {} on ", child));
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_NO_THROW(FolderLock(scratch.path(), "train"));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(FolderLock, SaysWhereItCannotBeWritten) {
  TemporaryFolder scratch;
  std::ofstream(scratch.path() / "file") << "x";
  expect_error<DataError>([&] { FolderLock(scratch.path() / "file" / "run", "train"); },
                          "[train] cannot create ");
  fs::create_directory(scratch.path() / "lock");
  expect_error<DataError>([&] { FolderLock(scratch.path(), "train"); },
                          (scratch.path() / "lock").string() + ": Is a directory");
}

}  // namespace
}  // namespace lemur
