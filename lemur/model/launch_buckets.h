// Sizes that packed texts are filled up to, so that few recordings of launches serve all of them.
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace lemur {

/// A size of packed texts.
struct LaunchBucket {
  int64_t tokens, texts;

  bool operator==(const LaunchBucket&) const = default;
};

/// Returns the bucket of so many tokens in so many texts, none of them longer than `longest`: the
/// next sizes of two geometric series of ratio 5/4. The tokens beyond are those of texts beyond,
/// which have room for them.
LaunchBucket bucket_of(int64_t tokens, int64_t texts, int64_t longest);

/// Returns offsets, int64 [bucket.texts + 1], of the given texts (int64 [I + 1] on the CPU) and
/// behind them those that fill the bucket, each of at most `longest` tokens; some may have none.
torch::Tensor filled_offsets(const torch::Tensor& offsets, const LaunchBucket& bucket,
                             int64_t longest);

}  // namespace lemur
