#include "lemur/report/report.h"

#include <fmt/format.h>

#include <memory>

#include "lemur/base/folder.h"
#include "lemur/cli/commands.h"

namespace lemur {

void add_report(CLI::App& app) {
  struct ReportArguments {
    std::vector<std::string> runs, benches, ablations;
    std::string out;
  };
  auto arguments = std::make_shared<ReportArguments>();
  auto* command =
      app.add_subcommand("report", "Write what runs and benches measured as one HTML page");
  command->add_option("--run", arguments->runs, "Folders of runs; they may still be training")
      ->required();
  command->add_option("--bench", arguments->benches, "Files of what `lemur bench --json` printed");
  command->add_option("--ablation", arguments->ablations,
                      "Tables that `lemur ablate` wrote, such as ablation/main.json");
  command->add_option("--out", arguments->out, "The page to write")->required();
  command->footer(
      "Example: lemur report --run mlp lemur --bench bench.jsonl --out report.html\nThe page needs "
      "no other file and no network. `lemur evaluate` first, and it shows calibration and slices.");
  command->callback([arguments] {
    ReportInput input{.runs = {arguments->runs.begin(), arguments->runs.end()},
                      .benches = {arguments->benches.begin(), arguments->benches.end()},
                      .ablations = {arguments->ablations.begin(), arguments->ablations.end()}};
    write_file_atomically(arguments->out, report_page(collect_report(input)));
    fmt::print("{}\n", arguments->out);
  });
}

}  // namespace lemur
