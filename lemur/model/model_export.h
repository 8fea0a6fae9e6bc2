// A model's encoders and bank in formats that other programs read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lemur/base/folder.h"
#include "lemur/data/sample_store.h"
#include "lemur/model/model_state.h"

namespace lemur {

/// Writes the model's encoders into the folders document_encoder/ and query_encoder/, with a copy
/// of `vocabulary`. Returns the names of those that the model has.
///
/// A pretrained one is written by save_bert. lemur's own has its layout too, but the model_type
/// "lemur-pre-ln" and the names of its parameters: no BERT can load it. Its word embedding is in
/// the file even where it is shared.
std::vector<std::string> export_encoders(const ModelState& state,
                                         const std::filesystem::path& vocabulary,
                                         const FolderWriter& folder);

/// How the documents of a bank and of a store met.
struct ExportedBank {
  int64_t written = 0;       ///< documents of the bank that the store knows
  int64_t not_in_store = 0;  ///< documents of the bank whose ID the store lacks, left out
  int64_t not_in_bank = 0;   ///< documents of the store without a vector, left out
};

/// Writes the bank's vectors of the store's documents, in the order of the store: vectors.npy
/// (float32 [n, r]), ids.txt (one ID a line) and documents.parquet (id, vector).
///
/// Throws DataError where an ID holds a line break, which ids.txt cannot.
ExportedBank export_bank(MemoryBank& bank, const SampleStore& store, const FolderWriter& folder);

}  // namespace lemur
