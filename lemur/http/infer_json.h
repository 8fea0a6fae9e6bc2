// The model part of the Open Inference Protocol v2: ranking as named tensors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lemur/http/rank_json.h"

namespace lemur {

/// A ranking asked for as tensors.
struct ParsedInfer {
  RankRequest request;
  std::string id;                    ///< the protocol's own; empty: none
  std::vector<std::string> outputs;  ///< asked for by name; empty: all
};

/// Parses {"id", "inputs": [{"name", "datatype": "BYTES", "shape": [n], "data": [...]}], "outputs":
/// [{"name"}]}. Inputs: "documents", and at most one element of "user" and "query". Throws
/// RequestError like parse_rank.
ParsedInfer parse_infer(std::string& body, const RankSchema& schema, const RequestLimits& limits,
                        int64_t now_ms);

/// Returns the names of the outputs: "scores" for the first label, "scores_<label>" for each
/// further one, and "flags".
std::vector<std::string> infer_outputs(const RankSchema& schema);

std::string infer_answer_json(const RankAnswer& answer, const ParsedInfer& infer,
                              const RankSchema& schema, std::string_view model_name);

/// Returns the answer of GET /v2/models/{name}.
std::string model_metadata_json(const RankSchema& schema, std::string_view name,
                                std::string_view version);

}  // namespace lemur
