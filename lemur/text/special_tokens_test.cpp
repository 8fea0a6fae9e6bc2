#include "lemur/text/special_tokens.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "lemur/base/error.h"

namespace lemur {
namespace {

TEST(SpecialTokens, AreTheLinesOfTheVocabulary) {
  auto path = std::filesystem::temp_directory_path() / "lemur_special_tokens_test.txt";
  std::ofstream(path) << "a\n[SEP]\nb\n[CLS]\n";
  SpecialTokens special = SpecialTokens::load(path);
  EXPECT_EQ(special.cls, 3);
  EXPECT_EQ(special.sep, 1);
  std::ofstream(path) << "a\n[SEP]\n";
  try {
    SpecialTokens::load(path);
    ADD_FAILURE();
  } catch (const DataError& error) {
    EXPECT_EQ(error.what(), "[text] " + path.string() + " lacks [CLS] or [SEP]");
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace lemur
