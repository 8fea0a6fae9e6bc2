#include "lemur/ablate/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr int kNotStarted = 127;

class File {
 public:
  File(const std::filesystem::path& path, int flags)
      : number_(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644)) {
    if (number_ < 0)
      fail<DataError>("ablate", "cannot write {}: {}", path.string(), std::strerror(errno));
  }
  ~File() { ::close(number_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace

int run_child(const ChildOptions& options) {
  const File output(options.output, O_TRUNC), log(options.log, O_APPEND);
  std::vector<char*> arguments;
  for (const std::string& argument : options.command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) fail<DataError>("ablate", "cannot start a process: {}", std::strerror(errno));
  if (child == 0) {
    ::setpgid(0, 0);  // Ctrl-C goes to this process alone, which asks the child once
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(kNotStarted);  // it died before
    ::dup2(output.number(), STDOUT_FILENO);
    ::dup2(log.number(), STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(kNotStarted);
  }
  int status = 0;
  bool asked = false;
  while (true) {
    const pid_t done = ::waitpid(child, &status, WNOHANG);
    if (done == child) break;
    if (done < 0 && errno != EINTR)
      fail<DataError>("ablate", "lost process {}: {}", child, std::strerror(errno));
    if (options.stop != nullptr && *options.stop && !asked) {
      asked = true;
      ::kill(child, SIGINT);
    }
    ::usleep(20'000);
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace lemur
