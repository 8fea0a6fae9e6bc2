// lemur: the commands that need no tensors; the others are handed over to lemur-learn,
// lemur-serve and lemur-bench beside it.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "lemur/cli/commands.h"
#include "lemur/cli/terminal.h"
#include "lemur/simd/path.h"

namespace {

/// Commands, and the programs beside this one that run them.
constexpr std::pair<std::string_view, const char*> kHandedOver[] = {
    {"train", "lemur-learn"},  {"evaluate", "lemur-learn"}, {"baselines", "lemur-learn"},
    {"export", "lemur-learn"}, {"serve", "lemur-serve"},    {"bench", "lemur-bench"}};

std::string version() {
  std::string text =
      fmt::format("lemur {}\ncpu path: {} (this machine has {})\nset for libraries:", LEMUR_VERSION,
                  lemur::simd::path(), fmt::join(lemur::simd::available_paths(), ", "));
  for (const auto& [name, value] : lemur::simd::library_settings())
    text += ' ' + name + '=' + value;
  return text;
}

/// Replaces the process by another program with the same arguments. OpenBLAS and the OpenMP runtime
/// read their settings when they are loaded, hence before.
int hand_over(const char* program, char** argv) {
  // Threads that wait spin for some ten microseconds, then sleep. By default they spin a hundred
  // times longer: no faster alone, and five times slower as soon as another process wants a core.
  if (std::getenv("OMP_WAIT_POLICY") == nullptr)
    ::setenv("GOMP_SPINCOUNT", "2000", /*overwrite=*/0);
  for (const auto& [name, value] : lemur::simd::library_settings())
    ::setenv(name.c_str(), value.c_str(), /*overwrite=*/0);
  std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  std::filesystem::path other = self.parent_path() / program;
  ::execv(other.c_str(), argv);
  fmt::print(stderr, "lemur: [start] cannot run {}: {}\n", other.string(), std::strerror(errno));
  return lemur::kExitFailed;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  for (const auto& [name, program] : kHandedOver)
    if (command == name)
      return lemur::run_guarded([&, to = program] { return hand_over(to, argv); });
  CLI::App app("lemur: an end-to-end multimodal ranker. Raw logs in, a measured ranking model out.",
               "lemur");
  app.set_version_flag("--version", version);
  app.require_subcommand(1);
  lemur::add_synth(app);
  lemur::add_ingest(app);
  app.add_subcommand("train", "Train a model on a sample store");
  app.add_subcommand("evaluate", "Measure a run's model on a split");
  app.add_subcommand("export", "Write a run's encoders and document vectors for other programs");
  app.add_subcommand("serve", "Answer ranking requests over HTTP");
  lemur::add_ablate(app);
  lemur::add_inspect(app);
  lemur::add_doctor(app);
  lemur::add_report(app);
  app.add_subcommand("bench", "Measure the speed of lemur's parts here");
  lemur::add_options(app);
  app.footer(
      "Exit codes: 0 done, 1 the data or a run failed, 2 wrong usage or configuration.\n`lemur "
      "COMMAND --help` explains each command.");
  return lemur::run_commands(app, argc, argv);
}
