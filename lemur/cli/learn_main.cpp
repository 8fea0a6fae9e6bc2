// lemur-learn: the commands that need tensors. Started by lemur, which takes care of the
// environment.
#include <malloc.h>

#include "lemur/cli/commands.h"
#include "lemur/cli/terminal.h"

int main(int argc, char** argv) {
  // Tensors of every step are freed and allocated anew: keep the memory instead of giving it back
  // and faulting it in again.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  ::mallopt(M_TOP_PAD, 64 << 20);
  CLI::App app("lemur: an end-to-end multimodal ranker.", "lemur");
  app.require_subcommand(1);
  lemur::add_train(app);
  lemur::add_evaluate(app);
  return lemur::run_commands(app, argc, argv);
}
