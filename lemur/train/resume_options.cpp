#include "lemur/train/resume_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "lemur/base/config.h"
#include "lemur/base/error.h"

namespace lemur {
namespace {

/// The keys that a run can go on with another value of: what a checkpoint holds does not depend on
/// them. Every other key of [model], [bank] and [train] is fixed when the run starts.
constexpr std::string_view kMayChange[] = {
    // How long.
    "train.epochs", "train.max_steps", "train.patience",
    // How large the updates to come are.
    "train.learning_rate", "train.encoder_learning_rate", "train.word_learning_rate",
    "train.table_learning_rate", "train.weight_decay", "train.table_weight_decay",
    "train.clip_norm", "train.warmup_steps", "train.schedule", "train.max_skipped_share",
    // What the steps to come see and encode.
    "train.image_flip", "train.image_crop", "bank.forward", "bank.backward", "bank.refresh_budget",
    "bank.refresh", "bank.history_gradient", "bank.deferred_gradient",
    // When it is measured, told and kept.
    "train.evaluate_every", "train.evaluate_batch_size", "train.checkpoint_every",
    "train.keep_checkpoints", "train.log_every", "bank.fresh_evaluation", "bank.fill",
    // Where and how fast.
    "train.device", "train.bf16", "train.cuda_graphs", "train.recompute", "train.micro_batch_size",
    "train.threads", "train.loader_threads"};

/// Of these the run's store is the witness, which check_compatible compares.
bool is_of_ingest(std::string_view key) {
  return key.starts_with("data.") || key.starts_with("tokenizer.");
}

}  // namespace

std::vector<std::string> changed_options(const Options& run, const Options& now) {
  std::map<std::string, std::string> before;
  for (const auto& [key, value] : flatten_options(run)) before[key] = value;
  std::vector<std::string> changed;
  std::string refused;
  for (const auto& [key, value] : flatten_options(now)) {
    if (is_of_ingest(key) || before[key] == value) continue;
    if (std::ranges::count(kMayChange, key) > 0)
      changed.push_back(fmt::format("{}: {} -> {}", key, before[key], value));
    else
      refused +=
          fmt::format("{}{} = {}, not {}", refused.empty() ? "" : "; ", key, before[key], value);
  }
  if (!refused.empty())
    fail<InvalidArgument>("train",
                          "the run was started with {}: what cannot change in a run that goes on; "
                          "another --run starts a new one",
                          refused);
  return changed;
}

}  // namespace lemur
