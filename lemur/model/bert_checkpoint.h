// Folders of BERT models in Hugging Face's layout, in and out: config.json and model.safetensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lemur/base/options.h"
#include "lemur/nn/bert_encoder.h"

namespace lemur {

/// Reads `<folder>/config.json`. Throws DataError naming the key and its value where it is missing
/// or describes what BertEncoder does not compute: a model_type other than "bert", a hidden_act
/// other than "gelu" (the exact one), relative positions, a decoder, heads that do not divide the
/// width.
BertSizes read_bert_sizes(const std::filesystem::path& folder);

/// Returns the options of an encoder of these sizes, for texts of `fields` fields, mapped to
/// `output` numbers.
BertEncoderOptions bert_encoder_options(const BertSizes& sizes, int64_t fields, int64_t output,
                                        double dropout);

/// Copies the weights of `<folder>/model.safetensors` (float32, float16 or bfloat16; names with the
/// prefix "bert." or none, LayerNorms' weights also as gamma and beta) into the encoder, whose
/// layers are the checkpoint's first. The type embedding is the checkpoint's row 0.
///
/// Of a folder that save_bert wrote, the field embedding is restored where the number of fields is
/// the same, and the projection where its shape is. Returns the names of the tensors that were not
/// used (pooler, heads, further layers), sorted. Throws DataError naming the tensor that is missing
/// or of another shape or type; the encoder may then hold a part of the weights.
std::vector<std::string> load_bert(const std::filesystem::path& folder, BertEncoder& encoder);

/// Writes config.json, model.safetensors (float32, names without prefix) and projection.safetensors
/// ("weight" [r, d], "bias" [r]) into an existing folder; vocab.txt is the caller's.
///
/// Row f of the token type embedding is the type embedding plus that of field f: with the field's
/// index as token_type_ids, any BERT computes the encoder's states.
void save_bert(const std::filesystem::path& folder, const BertEncoder& encoder);

}  // namespace lemur
