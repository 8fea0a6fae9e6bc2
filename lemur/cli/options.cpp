#include <fmt/format.h>

#include "lemur/base/config.h"
#include "lemur/cli/commands.h"

namespace lemur {

void add_options(CLI::App& app) {
  auto* command = app.add_subcommand(
      "options", "Print every key of the configuration with its default and meaning (Markdown)");
  command->callback([] { fmt::print("{}", options_to_markdown()); });
}

}  // namespace lemur
