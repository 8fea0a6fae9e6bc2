#include "lemur/text/special_tokens.h"

#include <fstream>
#include <string>

#include "lemur/base/error.h"

namespace lemur {

SpecialTokens SpecialTokens::load(const std::filesystem::path& vocabulary) {
  SpecialTokens special{-1, -1};
  std::ifstream in(vocabulary);
  std::string piece;
  for (int64_t id = 0; std::getline(in, piece); ++id) {
    if (piece == "[CLS]") special.cls = id;
    if (piece == "[SEP]") special.sep = id;
  }
  if (special.cls < 0 || special.sep < 0)
    fail<DataError>("text", "{} lacks [CLS] or [SEP]", vocabulary.string());
  return special;
}

}  // namespace lemur
