#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "lemur/cli/commands.h"
#include "lemur/data/diagnosis.h"

namespace lemur {
namespace {

void run_doctor(const std::string& path, bool as_json) {
  const SampleStore store(path);
  const std::vector<Diagnosis> all = diagnose(store);
  if (as_json) {
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    for (const Diagnosis& one : all)
      json.push_back({{"topic", one.topic}, {"finding", one.finding}, {"advice", one.advice}});
    fmt::print("{}\n", json.dump(1));
    return;
  }
  for (const Diagnosis& one : all) {
    fmt::print("{}: {}\n", one.topic, one.finding);
    if (!one.advice.empty()) fmt::print("  -> {}\n", one.advice);
  }
}

}  // namespace

void add_doctor(CLI::App& app) {
  auto path = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  auto* command = app.add_subcommand(
      "doctor", "Say what the data of a sample store can support, and which keys follow");
  command->add_option("STORE", *path, "Folder of the store")->required();
  command->add_flag("--json", *as_json, "As JSON");
  command->footer("Example: lemur doctor store");
  command->callback([path, as_json] { run_doctor(*path, *as_json); });
}

}  // namespace lemur
