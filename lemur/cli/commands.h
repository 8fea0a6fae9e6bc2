// The commands: each adds itself to the program's parser.
#pragma once

#include <CLI/CLI.hpp>

namespace lemur {

// In lemur.
void add_synth(CLI::App& app);
void add_ingest(CLI::App& app);
void add_inspect(CLI::App& app);
void add_doctor(CLI::App& app);
void add_ablate(CLI::App& app);
void add_report(CLI::App& app);
void add_options(CLI::App& app);

// In lemur-learn.
void add_train(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_baselines(CLI::App& app);
void add_export(CLI::App& app);

// In lemur-serve.
void add_serve(CLI::App& app);

}  // namespace lemur
