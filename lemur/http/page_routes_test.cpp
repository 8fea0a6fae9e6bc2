#include "lemur/http/page_routes.h"

#include <gtest/gtest.h>

#include "lemur/base/testing.h"
#include "lemur/http/json_reader.h"

namespace lemur {
namespace {

using Values = std::vector<std::string>;

TEST(PageRoutes, ReadsParametersInTheOrderThatIsAskedFor) {
  EXPECT_EQ(read_parameters("", {"name", "limit"}), (Values{"", ""}));
  EXPECT_EQ(read_parameters("limit=5&name=a%20%26b", {"name", "limit"}), (Values{"a &b", "5"}));
  EXPECT_EQ(read_parameters("name", {"name"}), Values{""});
}

TEST(PageRoutes, RefusesParametersThatItDoesNotKnow) {
  const auto read = [](std::string_view query) {
    return [=] { read_parameters(query, {"name"}); };
  };
  expect_error<RequestError>(read("side=1"), "no parameter of that name");
  expect_error<RequestError>(read("&"), "no parameter of that name");
  expect_error<RequestError>(read("name=a&name=a"), "twice");
  expect_error<RequestError>(read("name=%f"), "percent-encoded");
  expect_error<RequestError>(read("name=%ff"), "percent-encoded");
}

TEST(PageRoutes, ReadsCountsWithinTheirBounds) {
  EXPECT_EQ(read_count("limit", "", 50, 100), 50u);
  EXPECT_EQ(read_count("limit", "1", 50, 100), 1u);
  EXPECT_EQ(read_count("limit", "100", 50, 100), 100u);
  for (const char* wrong : {"0", "101", "-1", "+5", "5x", " 5", "99999999999999999999"})
    expect_error<RequestError>([&] { read_count("limit", wrong, 50, 100); }, "from 1 to 100");
}

}  // namespace
}  // namespace lemur
