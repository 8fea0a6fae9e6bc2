// What all commands share at the edge to the user: exit codes, one-line errors, Ctrl-C.
#pragma once

#include <CLI/CLI.hpp>
#include <atomic>
#include <functional>
#include <string>

namespace lemur {

inline constexpr int kExitDone = 0, kExitFailed = 1, kExitUsage = 2, kExitInterrupted = 130;

/// Set by Ctrl-C (SIGINT) or SIGTERM once catch_interrupts was called; a second signal ends the
/// program at once.
extern std::atomic<bool> interrupted;
void catch_interrupts();

/// Returns what `body` does; prints an exception as "lemur: [where] what" and returns its exit
/// code.
int run_guarded(const std::function<int()>& body);

/// Parses the arguments and runs the chosen command's callback, guarded. Returns the exit
/// code.
int run_commands(CLI::App& app, int argc, char** argv);

/// Makes a command's callback end the program with this code.
struct ExitCode {
  int code;
};

}  // namespace lemur
