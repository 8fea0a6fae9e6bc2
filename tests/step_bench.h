// What tests of training steps and runs share.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "lemur/train/dense_optimizer.h"
#include "lemur/train/train_step.h"

namespace lemur {

/// A model, its optimiser and a stepper on a store.
struct Bench {
  Bench(const Options& options, const SampleStore& store)
      : state(options, store.schema(), SpecialTokens::load(store.vocabulary_path())),
        optimizer(*state.model, {.weight_decay = options.train.weight_decay},
                  [&](const std::string& name) { return learning_rate_of(options.train, name); }),
        step(store, state, optimizer) {}
  ModelState state;
  DenseOptimizer optimizer;
  TrainStep step;
};

/// Returns the bytes of a folder's files by their names.
inline std::map<std::string, std::string> checkpoint_files(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    files[entry.path().filename()] = read_file(entry.path());
  return files;
}

}  // namespace lemur
