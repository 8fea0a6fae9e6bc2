#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "lemur/base/error.h"
#include "lemur/cli/commands.h"
#include "lemur/data/run_folder.h"
#include "lemur/model/model_export.h"

namespace lemur {
namespace {

struct ExportArguments {
  std::string run, out, store, checkpoint = "best";
};

/// Exports the bank and says what was left out of it.
nlohmann::json run_bank(const SampleStore& store, const ModelState& state,
                        const FolderWriter& folder) {
  ExportedBank bank = export_bank(*state.bank, store, folder);
  fmt::print("bank: {} documents of width {}\n", bank.written, state.bank->width());
  if (bank.not_in_store > 0)
    fmt::print("left out: {} documents of the bank whose IDs the store lacks\n", bank.not_in_store);
  if (bank.not_in_bank > 0)
    fmt::print("left out: {} documents of the store that the bank lacks\n", bank.not_in_bank);
  return {{"written", bank.written},
          {"not_in_store", bank.not_in_store},
          {"not_in_bank", bank.not_in_bank}};
}

void run_export(const ExportArguments& arguments) {
  RunFolder run(arguments.run);
  std::optional<SampleStore> store;
  if (!arguments.store.empty()) {
    store.emplace(arguments.store);
    check_compatible(run.schema(), store->schema());
  }
  if (std::filesystem::exists(arguments.out))
    fail<InvalidArgument>("export", "{} exists already; name another folder", arguments.out);
  std::vector<std::string> skipped;
  auto checkpoint = run.choose(arguments.checkpoint, &skipped);
  for (const std::string& line : skipped) fmt::print(stderr, "skipped: {}\n", line);
  ModelState state = load_model(run, checkpoint);

  FolderWriter folder(arguments.out);
  nlohmann::json manifest = {
      {"format", "lemur export"}, {"version", 1}, {"checkpoint", checkpoint.filename().string()}};
  for (const std::string& name : export_encoders(state, run.path() / "vocab.txt", folder))
    fmt::print("encoder: {}\n", name);
  if (!state.bank)
    fmt::print("bank: the run has none\n");
  else if (!store)
    fmt::print("bank: left out; its IDs come from the store, which --store names\n");
  else
    manifest["bank"] = run_bank(*store, state, folder);
  folder.publish(manifest);
  fmt::print("{} in {}\n", checkpoint.filename().string(), arguments.out);
}

}  // namespace

void add_export(CLI::App& app) {
  auto arguments = std::make_shared<ExportArguments>();
  auto* command = app.add_subcommand(
      "export", "Write a run's encoders and document vectors for other programs");
  command->add_option("--run", arguments->run, "Folder of the run")->required();
  command->add_option("--out", arguments->out, "Folder to write, which must not exist")->required();
  command->add_option("--store", arguments->store,
                      "Sample store that knows the documents' IDs; without it only the encoders");
  command
      ->add_option("--checkpoint", arguments->checkpoint,
                   "best, newest, or a name such as step-000100")
      ->capture_default_str();
  command->footer("Example: lemur export --run run --store store --out exported");
  command->callback([arguments] { run_export(*arguments); });
}

}  // namespace lemur
