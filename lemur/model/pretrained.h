// Pretrained starts: the checkpoints that a configuration names, checked against it, and their
// weights in a model (model.md 2).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "lemur/base/options.h"
#include "lemur/data/sample_store.h"
#include "lemur/model/ranking_model.h"

namespace lemur {

/// Copies the sizes of the checkpoints that `options.model` names into document_bert and
/// query_bert, with as many layers as document_layers and query_layers ask for. From then on the
/// options alone describe the model: a run that stores them does not need the folders again.
///
/// Relative folders refer to `base`. Does nothing without model.content. Throws InvalidArgument
/// where configuration, store and checkpoint contradict (nothing to encode, images, more layers or
/// longer texts than the checkpoint has, sizes set to something else, words shared between
/// different folders, another vocabulary or case), DataError where a checkpoint cannot be read.
void adopt_pretrained(Options& options, const SampleStore& store,
                      const std::filesystem::path& base);

/// Copies the checkpoints' weights into a model that was built with adopted options. Returns a line
/// for people about each encoder: layers taken, tensors left unused. Throws as load_bert does.
std::vector<std::string> load_pretrained(const ModelOptions& options,
                                         const std::filesystem::path& base,
                                         RankingModelImpl& model);

}  // namespace lemur
