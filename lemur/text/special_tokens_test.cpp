#include "lemur/text/special_tokens.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "lemur/base/testing.h"

namespace lemur {
namespace {

TEST(SpecialTokens, AreTheLinesOfTheVocabulary) {
  auto path = std::filesystem::temp_directory_path() / "lemur_special_tokens_test.txt";
  std::ofstream(path) << "a\n[SEP]\nb\n[CLS]\n";
  SpecialTokens special = SpecialTokens::load(path);
  EXPECT_EQ(special.cls, 3);
  EXPECT_EQ(special.sep, 1);
  std::ofstream(path) << "a\n[SEP]\n";
  EXPECT_EQ(message_of<DataError>([&] { SpecialTokens::load(path); }),
            "[text] " + path.string() + " lacks [CLS] or [SEP]");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace lemur
