#include "lemur/features/category.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace lemur {
namespace {

std::vector<std::string> items(std::string_view text, std::string_view separator,
                               size_t dropped = 0) {
  std::vector<std::string> found;
  EXPECT_EQ(
      for_each_item(text, separator, [&](std::string_view item) { found.emplace_back(item); }),
      dropped)
      << text;
  return found;
}

TEST(Category, CutsTrimsAndDropsEmptyItems) {
  using Items = std::vector<std::string>;
  EXPECT_EQ(items("Action, Drama", ","), (Items{"Action", "Drama"}));
  EXPECT_EQ(items(" Action ,\tDrama\n", ","), (Items{"Action", "Drama"}));
  EXPECT_EQ(items("a,, b,", ",", 2), (Items{"a", "b"}));
  EXPECT_EQ(items("a, b", ", "), (Items{"a", "b"}));
  EXPECT_EQ(items("a||b|c", "||"), (Items{"a", "b|c"}));
  EXPECT_EQ(items("", ","), Items{});
  EXPECT_EQ(items("  ", ","), Items{});
  EXPECT_EQ(items(" one name, whole ", ""), Items{" one name, whole "});
  EXPECT_EQ(items("", ""), Items{});
}

TEST(Category, NamesWholeNumbersByTheirDigits) {
  EXPECT_EQ(name_of_number(1.0), "1");
  EXPECT_EQ(name_of_number(-7.0), "-7");
  EXPECT_EQ(name_of_number(-0.0), "0");
  EXPECT_EQ(name_of_number(9007199254740992.0), "9007199254740992");
  for (double value : {1.5, 1e300, 9007199254740994.0, 5e-324, std::nan(""), HUGE_VAL, -HUGE_VAL})
    EXPECT_FALSE(name_of_number(value)) << value;
}

}  // namespace
}  // namespace lemur
