// For tests of the encoders: packed texts of random tokens.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace lemur {

/// Rows of the word and type embeddings that RandomTexts draws from.
inline constexpr int64_t kTestVocabulary = 13, kTestTypes = 2;

/// Texts of the given lengths, packed; the same lengths give the same texts.
struct RandomTexts {
  torch::Tensor tokens, positions, types, offsets;

  explicit RandomTexts(const std::vector<int64_t>& lengths) {
    std::vector<int64_t> position, begin = {0};
    for (int64_t length : lengths) {
      for (int64_t p = 0; p < length; ++p) position.push_back(p);
      begin.push_back(begin.back() + length);
    }
    torch::manual_seed(2);
    positions = torch::tensor(position, torch::kInt64);
    tokens = torch::randint(0, kTestVocabulary, {begin.back()}, torch::kInt64);
    types = torch::randint(0, kTestTypes, {begin.back()}, torch::kInt64);
    offsets = torch::tensor(begin, torch::kInt64);
  }

  template <typename Encoder>
  torch::Tensor encode(Encoder& encoder) const {
    return encoder(tokens, positions, types, offsets);
  }
};

}  // namespace lemur
