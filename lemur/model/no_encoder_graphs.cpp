// encoder_graphs.h in a build without CUDA: nothing is recorded.
#include "lemur/model/encoder_graphs.h"

namespace lemur {

struct EncoderGraphs::Impl {};

EncoderGraphs::EncoderGraphs(Encoder) {}
EncoderGraphs::~EncoderGraphs() = default;

std::optional<torch::Tensor> EncoderGraphs::encode(const TokenBatch&) { return std::nullopt; }

}  // namespace lemur
