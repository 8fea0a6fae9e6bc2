// A model with everything that makes it answer: options, schema, dense modules, tables and bank;
// saved to and loaded from a checkpoint.
#pragma once

#include <filesystem>
#include <memory>

#include "lemur/base/folder.h"
#include "lemur/base/options.h"
#include "lemur/model/feature_tables.h"
#include "lemur/model/ranking_model.h"
#include "lemur/tables/memory_bank.h"
#include "lemur/tables/pending_gradients.h"
#include "lemur/text/special_tokens.h"

namespace lemur {

class RunFolder;

/// Owns the model of one run. Not thread-safe.
struct ModelState {
  /// Builds a fresh model; its initial weights depend on options.train.seed only.
  ModelState(const Options& options, const StoreSchema& schema, const SpecialTokens& special);

  Options options;
  StoreSchema schema;
  SpecialTokens special;
  RankingModel model{nullptr};
  FeatureTables tables;
  std::unique_ptr<MemoryBank> bank;    ///< null where bank.enabled is false or there is no content
  PendingGradients pending_gradients;  ///< of documents in the bank, for training alone

  /// Moves the model to a device, "cpu" or "cuda", where it computes in bfloat16 if
  /// options.train.bf16 says so; before an optimiser takes its parameters. Checkpoints are the same
  /// for any device. Throws InvalidArgument where the device is not there.
  void move_to(const std::string& device);

  /// How documents are packed for this model, without augmentation.
  DocumentPacking packing() const {
    return {.patch_pixels = options.model.patch_pixels, .special = special};
  }

  /// From now on the ranker's and the decoders' linear layers compute in 8 bits
  /// (Int8Weights). For inference only.
  void use_int8();

  /// Writes dense.safetensors (named as named_parameters()), table_<i>.rows and bank.rows.
  void save(const FolderWriter& folder) const;

  /// Loads the same files, by their checksums. Throws DataError naming the file that is missing or
  /// damaged, or the tensor that is missing, unknown or of another shape.
  void load(const std::filesystem::path& checkpoint);
};

/// Returns the model of a run as `checkpoint`, one of its folders, has it. Throws DataError as
/// ModelState::load.
ModelState load_model(const RunFolder& run, const std::filesystem::path& checkpoint);

/// Throws DataError when a model of schema `run` cannot read a store of schema `store`, naming the
/// first difference. Counts of rows may differ.
void check_compatible(const StoreSchema& run, const StoreSchema& store);

}  // namespace lemur
