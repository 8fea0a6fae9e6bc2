#include "lemur/http/bearer_token.h"

#include <gtest/gtest.h>

#include "lemur/base/folder.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

TEST(BearerToken, IsReadFromAFile) {
  TemporaryFolder folder;
  const std::string path = folder.path() / "token";
  write_file_atomically(path, " 0123456789abcdef\n");
  EXPECT_EQ(read_token_file(path), "0123456789abcdef");
  for (const char* wrong : {"", "short", "0123456789 abcdef", "0123456789abcde\xc3\xa9"}) {
    write_file_atomically(path, wrong);
    expect_error<InvalidArgument>([&] { read_token_file(path); }, "16 to 1024 visible");
  }
  expect_error<InvalidArgument>([&] { read_token_file(path + "-gone"); }, "-gone");
}

TEST(BearerToken, EqualsItselfOnly) {
  EXPECT_TRUE(tokens_equal("abc", "abc"));
  EXPECT_FALSE(tokens_equal("abcabc", "abc"));
  EXPECT_FALSE(tokens_equal("", "abc"));
}

}  // namespace
}  // namespace lemur
