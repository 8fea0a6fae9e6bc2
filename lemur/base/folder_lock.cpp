#include "lemur/base/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "lemur/base/error.h"

namespace lemur {
namespace fs = std::filesystem;

namespace {

/// Returns "process 12 on host": what the lock's file holds.
std::string name_of_this_process() {
  char host[256] = "an unnamed host";
  ::gethostname(host, sizeof(host) - 1);
  return fmt::format("process {} on {}", ::getpid(), host);
}

std::string holder_of(const fs::path& lock) {
  std::string holder;
  std::ifstream in(lock);
  std::getline(in, holder);
  return holder.empty() ? "another process" : holder;
}

}  // namespace

FolderLock::FolderLock(const fs::path& folder, const char* where) {
  const fs::path lock = folder / "lock";
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail<DataError>(where, "cannot create {}: {}", folder.string(), error.message());
  file_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) fail<DataError>(where, "cannot write {}: {}", lock.string(), std::strerror(errno));
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    ::close(file_);
    if (reason != EWOULDBLOCK)
      fail<DataError>(where, "cannot lock {}: {}", lock.string(), std::strerror(reason));
    fail<DataError>(where, "{} is in use by {}", folder.string(), holder_of(lock));
  }
  const std::string name = name_of_this_process() + "\n";
  if (::ftruncate(file_, 0) == 0 &&
      ::pwrite(file_, name.data(), name.size(), 0) == static_cast<ssize_t>(name.size()))
    return;
  const int reason = errno;
  ::close(file_);
  fail<DataError>(where, "cannot write {}: {}", lock.string(), std::strerror(reason));
}

FolderLock::~FolderLock() { ::close(file_); }

}  // namespace lemur
