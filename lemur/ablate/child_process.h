// A program that is run and waited for.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

namespace lemur {

struct ChildOptions {
  std::vector<std::string> command;         ///< program and arguments
  std::filesystem::path output;             ///< file that takes what it prints, replaced
  std::filesystem::path log;                ///< file to whose end its error output goes
  const std::atomic<bool>* stop = nullptr;  ///< set: the program is asked to stop (SIGINT)
};

/// Runs a program in a process group of its own and returns its exit code, 128 + the signal that
/// ended it. It is killed when this process dies, however that happens. To be called on the main
/// thread. Throws DataError where the program or the files cannot be opened.
int run_child(const ChildOptions& options);

}  // namespace lemur
