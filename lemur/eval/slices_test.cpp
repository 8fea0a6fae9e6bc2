#include "lemur/eval/slices.h"

#include <gtest/gtest.h>

#include "lemur/base/testing.h"

namespace lemur {
namespace {

const std::vector<float> kScores = {0.1F, 0.2F, 0.3F, 0.4F, 0.5F}, kLabels = {0, 1, 0, 1, 1};
const std::vector<uint64_t> kKeys = {1, 1, 1, 2, 2};
const ScoredRows kRows = {kScores, kLabels, {}, kKeys, kKeys};

std::string error_of(const SliceColumn& column) {
  return message_of<InvalidArgument>([&] { compute_slices(kRows, std::vector{column}); });
}

TEST(Slices, PartitionTheRowsInTheOrderOfTheBuckets) {
  std::vector<SliceColumn> columns = {
      {"document_seen", {"0", "1-5", "100+", "6-20"}, {1, 0, 1, 3, 3}},
      {"age", {"all"}, {0, 0, 0, 0, 0}}};
  auto slices = compute_slices(kRows, columns);
  std::vector<std::string> names;
  int64_t rows = 0;
  for (const auto& [name, metrics] : slices.at("document_seen").items()) {
    names.push_back(name);
    rows += metrics.at("rows").get<int64_t>();
  }
  EXPECT_EQ(names, columns[0].buckets);
  EXPECT_EQ(rows, 5);
  EXPECT_EQ(slices.at("document_seen").at("6-20").at("rows"), 2);
  EXPECT_TRUE(slices.at("document_seen").at("100+").at("auc").is_null());
  EXPECT_EQ(slices.at("age").at("all"), compute_metrics(kRows).to_json());
}

TEST(Slices, SeeOnlyTheirOwnRows) {
  SliceColumn column{"half", {"a", "b"}, {0, 0, 1, 1, 1}};
  auto slices = compute_slices(kRows, std::vector{column});
  std::span scores(kScores), labels(kLabels);
  std::span keys(kKeys);
  ScoredRows first = {scores.first(2), labels.first(2), {}, keys.first(2), keys.first(2)};
  ScoredRows rest = {scores.subspan(2), labels.subspan(2), {}, keys.subspan(2), keys.subspan(2)};
  EXPECT_EQ(slices.at("half").at("a"), compute_metrics(first).to_json());
  EXPECT_EQ(slices.at("half").at("b"), compute_metrics(rest).to_json());
  EXPECT_EQ(slices.at("half").at("a").at("qauc"), 1.0);
  EXPECT_TRUE(slices.at("half").at("b").at("qauc").is_null());
}

TEST(Slices, OfNothingAreAnEmptyObject) {
  EXPECT_EQ(compute_slices(kRows, {}).dump(), "{}");
  SliceColumn empty{"none", {"a"}, {}};
  EXPECT_EQ(compute_slices({}, std::vector{empty}).at("none").at("a").at("rows"), 0);
}

TEST(Slices, RefuseAColumnThatDoesNotFit) {
  EXPECT_EQ(error_of({"age", {"a"}, {0, 0}}), "[slices] column 'age' has 2 rows for 5 scores");
  EXPECT_EQ(error_of({"age", {"a", "b"}, {0, 1, 2, 0, 0}}),
            "[slices] column 'age': bucket 2 at row 2; there are 2");
  EXPECT_EQ(error_of({"age", {"a", "a"}, {0, 0, 0, 0, 1}}),
            "[slices] column 'age' has two buckets 'a'");
}

}  // namespace
}  // namespace lemur
