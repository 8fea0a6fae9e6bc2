// Ids of the special tokens that frame a text.
#pragma once

#include <cstdint>
#include <filesystem>

namespace lemur {

struct SpecialTokens {
  int64_t cls = 2, sep = 3;

  /// Reads them from a vocab.txt. Throws DataError when one is missing.
  static SpecialTokens load(const std::filesystem::path& vocabulary);
};

}  // namespace lemur
