// lemur-bench: measures this machine with lemur's own code. Started by `lemur bench`.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "bench/benches.h"
#include "lemur/cli/terminal.h"

namespace lemur {
namespace {

struct Bench {
  const char *name, *what;
  void (*run)(Report&);
  bool by_name_only = false;
};

constexpr Bench kBenches[] = {
    {"kernels", "encoder blocks and matrix products against LibTorch's operations", bench_kernels},
    {"step", "a training step, whole and by its parts", bench_step},
    {"bank", "look-ups in the memory bank and the embedding tables", bench_bank},
    {"loader", "batches from a store", bench_loader},
    {"ingest", "simulation, ingest, image decoder, tokenizer", bench_ingest},
    {"serving", "ranking requests, one at a time, in float32 and in 8 bits", bench_serving},
    {"scaling", "a step's cost against batch, texts, histories, vocabulary, bank and tables",
     bench_scaling},
    {"gpu", "a step at the paper's scale on a GPU (only where named)", bench_gpu,
     /*by_name_only=*/true}};

struct Arguments {
  std::vector<std::string> names;
  ReportOptions report = {.threads = static_cast<int>(std::thread::hardware_concurrency())};
  PeerOptions peer;
};

void run(const Arguments& arguments) {
  at::set_num_threads(arguments.report.threads);
  if (!arguments.peer.folder.empty()) return step_for_peer(arguments.peer);
  Report report(arguments.report);
  report.path();
  for (const Bench& bench : kBenches)
    if (arguments.names.empty() ? !bench.by_name_only
                                : std::ranges::count(arguments.names, bench.name) > 0)
      bench.run(report);
}

}  // namespace
}  // namespace lemur

int main(int argc, char** argv) {
  using namespace lemur;
  CLI::App app("lemur: an end-to-end multimodal ranker.", "lemur");
  app.require_subcommand(1);
  Arguments arguments;
  auto* command = app.add_subcommand("bench", "Measure the speed of lemur's parts here");
  std::vector<std::string> names;
  std::string list = "Benches, in this order; the default is all of them:\n";
  for (const Bench& bench : kBenches) {
    names.emplace_back(bench.name);
    list += fmt::format("  {:<10}{}\n", bench.name, bench.what);
  }
  command->add_option("name", arguments.names, "Benches to run")->check(CLI::IsMember(names));
  command->add_flag("--json", arguments.report.json, "A JSON object a line instead of tables");
  command->add_option("--rounds", arguments.report.rounds, "Timed calls of each variant, in turns")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--threads", arguments.report.threads, "Threads of the kernels")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  // For bench/pytorch/compare.py.
  command->add_option("--peer", arguments.peer.folder)->group("");
  command->add_option("--peer-batch", arguments.peer.batch)->group("");
  command->add_option("--peer-batches", arguments.peer.batches)->group("");
  command->add_option("--peer-share", arguments.peer.share)->group("");
  command->footer(list + "\nExample: lemur bench step --rounds 5");
  command->callback([&] { run(arguments); });
  return run_commands(app, argc, argv);
}
