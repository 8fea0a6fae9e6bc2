// lemur-learn: the commands that need tensors. Started by lemur, which takes care of the
// environment.
#include "lemur/cli/commands.h"
#include "lemur/cli/terminal.h"

int main(int argc, char** argv) {
  CLI::App app("lemur: an end-to-end multimodal ranker.", "lemur");
  app.require_subcommand(1);
  lemur::add_train(app);
  lemur::add_evaluate(app);
  lemur::add_baselines(app);
  lemur::add_export(app);
  return lemur::run_commands(app, argc, argv);
}
