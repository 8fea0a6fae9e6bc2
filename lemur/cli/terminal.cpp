#include "lemur/cli/terminal.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "lemur/base/error.h"
#include "lemur/simd/path.h"

namespace lemur {

std::atomic<bool> interrupted = false;

namespace {

extern "C" void on_signal(int signal) {
  if (interrupted.exchange(true)) std::_Exit(128 + signal);
}

int fail_with(int code, const std::string& message) {
  std::fprintf(stderr, "lemur: %s\n", message.c_str());
  return code;
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

int run_guarded(const std::function<int()>& body) {
  try {
    simd::path();  // first of all: wrong names of it are refused by every command
    return body();
  } catch (const ExitCode& exit) {
    return exit.code;
  } catch (const CLI::ParseError& error) {
    return fail_with(kExitUsage, fmt::format("[usage] {}; --help shows an example", error.what()));
  } catch (const InvalidArgument& error) {
    return fail_with(kExitUsage, error.what());
  } catch (const Error& error) {
    return fail_with(kExitFailed, error.what());
  } catch (const std::bad_alloc&) {
    return fail_with(kExitFailed, "[memory] not enough memory");
  } catch (const std::exception& error) {
    std::string text = error.what();
    return fail_with(kExitFailed, "[internal] " + text.substr(0, text.find('\n')));
  }
}

int run_commands(CLI::App& app, int argc, char** argv) {
  return run_guarded([&] {
    try {
      app.parse(argc, argv);
      return kExitDone;
    } catch (const CLI::CallForHelp&) {
      return app.exit(CLI::CallForHelp());
    } catch (const CLI::CallForAllHelp&) {
      return app.exit(CLI::CallForAllHelp());
    } catch (const CLI::CallForVersion& version) {
      return app.exit(version);
    }
  });
}

}  // namespace lemur
