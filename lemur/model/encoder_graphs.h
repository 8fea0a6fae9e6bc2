// Recorded launches of an encoder's blocks (CUDA graphs), one recording for each size of texts.
#pragma once

#include <memory>
#include <optional>

#include "lemur/model/token_batch.h"
#include "lemur/nn/encoder.h"

namespace lemur {

/// Replays the encoder's forward and backward passes behind the embedding, so that a step does not
/// wait for hundreds of launches. The parameters must stay where they lie. Recordings that were not
/// used for longest are dropped while all together hold more than 8 GiB. Not thread-safe.
class EncoderGraphs {
 public:
  explicit EncoderGraphs(Encoder encoder);
  ~EncoderGraphs();

  /// Returns what the encoder gives for the texts, [n, r], recording it at the first text of a
  /// size. Nothing where it cannot be recorded: without gradients, with images, dropout or
  /// pools_words, where attention is not flash_attention, or where the recording's last replay
  /// still waits for its backward pass.
  std::optional<torch::Tensor> encode(const TokenBatch& texts);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
