#include "lemur/tables/embedding_table.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "lemur/base/folder.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;
using Keys = std::vector<uint64_t>;
using Rows = std::vector<int32_t>;

Rows admit(EmbeddingTable& table, const Keys& keys, int64_t time_ms = 0) {
  Rows rows(keys.size(), -7);
  table.find_or_admit(keys, time_ms, rows);
  return rows;
}

Rows find(const EmbeddingTable& table, const Keys& keys) {
  Rows rows(keys.size(), -7);
  table.find(keys, rows);
  return rows;
}

torch::Tensor values_of(const EmbeddingTable& table, const Keys& keys) {
  return table.gather(find(table, keys));
}

Keys some_keys(int64_t n, uint64_t first = 0) {
  Keys keys(static_cast<size_t>(n));
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = (first + i) << 40;
  return keys;
}

class EmbeddingTableFile : public ::testing::Test {
 protected:
  void SetUp() override { path_ = fs::path(::testing::TempDir()) / "lemur_embedding_table_test"; }
  void TearDown() override { fs::remove(path_); }
  fs::path path_;
};

TEST(EmbeddingTable, GivesEachKeyItsOwnRow) {
  for (int64_t n : {0, 1, 31, 32, 33, 5000}) {
    EmbeddingTable table({.width = 3});
    auto keys = some_keys(n);
    auto rows = admit(table, keys);
    EXPECT_EQ(table.size(), n + 1);
    EXPECT_EQ(find(table, keys), rows);
    EXPECT_EQ(admit(table, keys), rows);
    std::sort(rows.begin(), rows.end());
    EXPECT_EQ(std::unique(rows.begin(), rows.end()), rows.end());
    EXPECT_TRUE(rows.empty() || rows.front() > 0);
    EXPECT_EQ(table.gather(rows).sizes(), (std::vector<int64_t>{n, 3}));
    EXPECT_GE(table.size_bytes(), (n + 1) * (3 * 4 + 4 + 8 + 8));
  }
}

TEST(EmbeddingTable, BeginsItsDefaultRowWithZeros) {
  EmbeddingTable table({.width = 5});
  EXPECT_EQ(table.size(), 1);
  EXPECT_EQ(find(table, {7, 0}), (Rows{0, 0}));
  EXPECT_TRUE(values_of(table, {7}).equal(torch::zeros({1, 5})));
}

TEST(EmbeddingTable, DrawsARowFromSeedAndKeyWhateverTheOrder) {
  for (int64_t width : {1, 2, 31, 32, 33}) {
    EmbeddingTable forward({.width = width}), backward({.width = width});
    EmbeddingTable other({.width = width, .seed = 2});
    admit(forward, {1, 2, 3});
    admit(backward, {9, 3, 2, 1});
    admit(other, {1, 2, 3});
    auto values = values_of(forward, {1, 2, 3});
    EXPECT_TRUE(values.equal(values_of(backward, {1, 2, 3})));
    EXPECT_FALSE(values.equal(values_of(other, {1, 2, 3})));
    EXPECT_FALSE(values[0].equal(values[1]));
  }
}

TEST(EmbeddingTable, DrawsNormalValuesOfTheGivenDeviation) {
  EmbeddingTable table({.width = 33, .init_scale = 0.5});
  auto keys = some_keys(4000);
  admit(table, keys);
  auto values = values_of(table, keys).to(torch::kFloat64) / 0.5;
  EXPECT_NEAR(values.mean().item<double>(), 0, 0.01);
  EXPECT_NEAR(values.pow(2).mean().item<double>(), 1, 0.02);
  EXPECT_NEAR(values.pow(3).mean().item<double>(), 0, 0.05);
  EXPECT_NEAR(values.pow(4).mean().item<double>(), 3, 0.1);
  auto products = (values.slice(1, 0, 32) * values.slice(1, 1, 33)).mean(0);
  EXPECT_LT(products.abs().max().item<double>(), 0.1);
}

TEST(EmbeddingTable, AdmitsAtTheGivenNumberOfSightings) {
  EmbeddingTable table({.width = 2, .admit_after = 3});
  EXPECT_EQ(admit(table, {5, 6}), (Rows{0, 0}));
  EXPECT_EQ(admit(table, {5}), (Rows{0}));
  EXPECT_EQ(table.size(), 1);
  EXPECT_EQ(find(table, {5}), (Rows{0}));  // looking is no sighting
  EXPECT_EQ(admit(table, {5, 5, 6}), (Rows{1, 1, 0}));
  EXPECT_EQ(admit(table, {8, 8, 8, 8}), (Rows{0, 0, 2, 2}));
  EXPECT_EQ(find(table, {5, 6, 8}), (Rows{1, 0, 2}));
  EXPECT_EQ(table.size(), 3);
}

TEST(EmbeddingTable, DropsWhatWasNotSeenForLongAndReusesItsRows) {
  EmbeddingTable table({.width = 2, .expire_ms = 100});
  auto rows = admit(table, {1, 2, 3}, 1000);
  admit(table, {2}, 1050);
  admit(table, {2}, 900);  // time out of order does not make it older
  auto fresh = values_of(table, {1});
  table.apply(Rows{rows[0]}, torch::ones({1, 2}), {});
  EXPECT_EQ(table.expire(1100), 0);
  EXPECT_EQ(table.generation(), 0);
  EXPECT_EQ(table.expire(1101), 2);
  EXPECT_EQ(table.generation(), 1);
  EXPECT_EQ(table.size(), 2);
  EXPECT_EQ(find(table, {1, 2, 3}), (Rows{0, rows[1], 0}));
  EXPECT_EQ(table.expire(1101), 0);
  EXPECT_EQ(table.generation(), 1);

  auto reused = admit(table, {4, 1, 0}, 1101);
  EXPECT_EQ(table.size(), 5);
  std::sort(reused.begin(), reused.end());
  EXPECT_EQ(reused, (Rows{rows[0], rows[2], 4}));
  EXPECT_TRUE(values_of(table, {1}).equal(fresh));  // values and accumulator began anew
  auto step = fresh - 0.05;
  table.apply(find(table, {1}), torch::ones({1, 2}), {});
  EXPECT_TRUE(torch::allclose(values_of(table, {1}), step));
}

TEST(EmbeddingTable, NeverDropsTheDefaultRowNorAnythingWithoutExpiry) {
  EmbeddingTable table({.expire_ms = 1});
  EXPECT_EQ(table.expire(1'000'000), 0);
  EXPECT_EQ(table.size(), 1);
  EmbeddingTable keeper({.expire_ms = 0});
  admit(keeper, {1}, 0);
  EXPECT_EQ(keeper.expire(std::numeric_limits<int64_t>::max()), 0);
  EXPECT_NE(find(keeper, {1})[0], 0);
}

TEST(EmbeddingTable, ForgetsOldSightingsOfKeysNotAdmitted) {
  EmbeddingTable table({.admit_after = 2, .expire_ms = 100});
  admit(table, {1}, 0);
  admit(table, {2}, 50);
  EXPECT_EQ(table.expire(101), 0);
  EXPECT_EQ(admit(table, {1, 2}, 101), (Rows{0, 1}));
}

TEST(EmbeddingTable, FollowsTheFormulaOfRowWiseAdagrad) {
  for (int64_t width : {1, 31, 32, 33})
    for (double decay : {0.0, 0.1}) {
      const RowAdagradOptions options{.learning_rate = 0.3, .epsilon = 1e-3, .weight_decay = decay};
      EmbeddingTable table({.width = width, .init_scale = 1});
      auto rows = admit(table, {1, 2, 3});
      rows.push_back(0);
      auto expected = table.gather(rows).to(torch::kFloat64);
      auto accumulator = torch::zeros({4, 1}, torch::kFloat64);
      torch::manual_seed(5);
      for (int step = 0; step < 5; ++step) {
        auto touched = torch::tensor(step % 2 == 0 ? std::vector<int64_t>{3, 0, 2}
                                                   : std::vector<int64_t>{1, 2});
        auto gradient = torch::randn({touched.size(0), width});
        Rows touched_rows;
        for (int64_t i = 0; i < touched.size(0); ++i) {
          const auto r = touched[i].item<int64_t>();
          touched_rows.push_back(rows[static_cast<size_t>(r)]);
          auto g = gradient[i].to(torch::kFloat64);
          accumulator[r] += (g * g).sum() / width;
          expected[r] *= 1 - 0.3 * decay;
          expected[r] -= 0.3 * g / (accumulator[r].sqrt() + 1e-3);
        }
        table.apply(touched_rows, gradient, options);
        ASSERT_TRUE(torch::allclose(table.gather(rows).to(torch::kFloat64), expected, 1e-5, 1e-6));
      }
    }
}

TEST(EmbeddingTable, TakesAGradientThatIsNotContiguous) {
  EmbeddingTable a({.width = 2}), b({.width = 2});
  auto rows = admit(a, {1, 2});
  admit(b, {1, 2});
  auto gradient = torch::tensor({{1.F, 2.F}, {3.F, 4.F}});
  a.apply(rows, gradient.t(), {});
  b.apply(rows, gradient.t().contiguous(), {});
  EXPECT_TRUE(a.gather(rows).equal(b.gather(rows)));
}

TEST(EmbeddingTable, LeavesARowOfZeroGradientAlone) {
  EmbeddingTable table({.width = 4});
  auto rows = admit(table, {1});
  auto before = table.gather(rows);
  table.apply(rows, torch::zeros({1, 4}), {});
  table.apply({}, torch::zeros({0, 4}), {});
  EXPECT_TRUE(table.gather(rows).equal(before));
}

TEST(EmbeddingTable, AveragesEveryRowInEveryStepTouchedOrNot) {
  EmbeddingTable table({.width = 3, .init_scale = 1});
  const auto rows = admit(table, {1, 2, 3});
  torch::Tensor expected = table.gather(rows).to(torch::kFloat64);
  const auto check = [&] {
    const torch::Tensor live = table.gather(rows);
    table.swap_averages();
    EXPECT_TRUE(torch::allclose(table.gather(rows).to(torch::kFloat64), expected, 1e-5, 1e-6));
    table.swap_averages();
    EXPECT_TRUE(table.gather(rows).equal(live));
  };
  torch::manual_seed(3);
  for (int step = 0; step < 20; ++step) {
    const double decay = step < 3 ? 0.3 : 0.9;
    table.advance_averages(decay);
    // Row 2 is touched seldom, row 3 never.
    const Rows touched = step % 7 == 0 ? Rows{rows[1], rows[0]} : Rows{rows[0]};
    table.apply(touched, torch::randn({std::ssize(touched), 3}), {.learning_rate = 0.3});
    expected = decay * expected + (1 - decay) * table.gather(rows).to(torch::kFloat64);
    if (step % 4 == 0) check();
  }
  check();
  EXPECT_GT((table.gather(rows) - expected).abs().max().item<double>(), 0.01);

  const auto late = admit(table, {4});
  table.advance_averages(0.5);
  const torch::Tensor before = table.gather(late);
  table.apply(late, torch::ones({1, 3}), {});
  const torch::Tensor half = (before + table.gather(late)) / 2;
  const int64_t bytes = table.size_bytes();
  table.adopt_averages();
  EXPECT_TRUE(torch::allclose(table.gather(late), half));
  EXPECT_LT(table.size_bytes(), bytes);
  const torch::Tensor adopted = table.gather(late);
  table.swap_averages();
  EXPECT_TRUE(table.gather(late).equal(adopted)) << "no averages, nothing to exchange";
}

TEST(EmbeddingTable, RefusesWrongArguments) {
  using Options = EmbeddingTableOptions;
  auto make = [](Options options) { return [=] { EmbeddingTable table(options); }; };
  expect_error<InvalidArgument>(make({.width = 0}), "width is 0; expected 1 or more");
  expect_error<InvalidArgument>(make({.admit_after = 0}), "admit_after is 0");
  expect_error<InvalidArgument>(make({.expire_ms = -1}), "expire_ms is -1");
  expect_error<InvalidArgument>(make({.init_scale = std::nan("")}), "init_scale is nan");

  EmbeddingTable table({.width = 2});
  auto rows = admit(table, {1});
  auto before = table.gather(rows);
  auto apply = [&](const Rows& rows, const torch::Tensor& gradient) {
    return [&table, rows, gradient] { table.apply(rows, gradient, {}); };
  };
  Rows none;
  expect_error<InvalidArgument>([&] { table.find(Keys{1}, none); }, "1 keys given, but 0 rows");
  expect_error<InvalidArgument>([&] { table.find_or_admit(Keys{1}, 0, none); }, "but 0 rows");
  expect_error<InvalidArgument>([&] { table.gather(Rows{2}); }, "row 2 asked for; the table has 2");
  expect_error<InvalidArgument>([&] { table.gather(Rows{-1}); }, "row -1 asked");
  expect_error<InvalidArgument>(apply({1, 2}, torch::ones({2, 2})), "row 2 asked for");
  expect_error<InvalidArgument>(apply({1}, torch::ones({1, 3})), "is [1, 3]; expected [1, 2]");
  expect_error<InvalidArgument>(apply({1}, torch::ones({2, 2})), "is [2, 2]; expected [1, 2]");
  expect_error<InvalidArgument>(apply({1}, torch::ones({1, 2}, torch::kFloat64)), "float32");
  expect_error<InvalidArgument>(apply({1}, {}), "must be float32");
  EXPECT_TRUE(table.gather(rows).equal(before));
}

/// Lets a table see, learn and forget something; the same for equal arguments.
void live(EmbeddingTable& table, bool averages, int64_t from, int64_t to) {
  for (int64_t t = from; t < to; ++t) {
    auto first = static_cast<uint64_t>(t) * 7;
    auto rows = admit(table, some_keys(20, first % 50 + first / 3), t * 10);
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    torch::manual_seed(static_cast<uint64_t>(t));
    if (averages) table.advance_averages(0.9);
    table.apply(rows, torch::randn({static_cast<int64_t>(rows.size()), table.width()}), {});
    if (t % 5 == 4) table.expire(t * 10);
  }
}

TEST_F(EmbeddingTableFile, GoesOnBitIdenticallyAfterLoading) {
  const EmbeddingTableOptions options{.width = 33, .admit_after = 2, .expire_ms = 60};
  for (bool averages : {false, true}) {
    EmbeddingTable whole(options), first(options), second(options);
    live(whole, averages, 0, 18);
    EXPECT_GT(whole.generation(), 0);
    live(first, averages, 0, 18);
    first.save(path_);
    const std::string saved = read_file(path_);
    live(second, averages, 3, 9);
    second.load(path_);
    EXPECT_EQ(second.size(), first.size());
    EXPECT_EQ(second.generation(), first.generation());
    second.save(path_);
    EXPECT_EQ(read_file(path_), saved);

    live(whole, averages, 18, 40);
    live(second, averages, 18, 40);
    whole.save(path_);
    const std::string expected = read_file(path_);
    second.save(path_);
    EXPECT_EQ(read_file(path_), expected);
    EXPECT_NE(expected, saved);
  }
}

TEST_F(EmbeddingTableFile, KeepsTablesOfAnySize) {
  for (int64_t n : {0, 1, 31, 32, 33, 1023, 1024}) {
    EmbeddingTable table({.width = 2}), loaded({.width = 2});
    auto rows = admit(table, some_keys(n));
    table.save(path_);
    loaded.load(path_);
    EXPECT_EQ(find(loaded, some_keys(n)), rows);
    EXPECT_TRUE(loaded.gather(rows).equal(table.gather(rows)));
  }
}

TEST_F(EmbeddingTableFile, IsRefusedWhenDamagedAndTheTableStaysAsItWas) {
  const EmbeddingTableOptions options{.width = 2, .admit_after = 2, .expire_ms = 60};
  EmbeddingTable table(options), other(options);
  admit(table, {1, 1, 2, 2}, 0);
  admit(table, {3, 4, 4}, 100);
  table.expire(100);
  table.save(path_);
  const std::string good = read_file(path_);
  admit(other, {9, 9}, 0);
  auto expect_refused = [&](const std::string& bytes, const std::string& text) {
    std::ofstream(path_, std::ios::binary) << bytes;
    expect_error<DataError>([&] { other.load(path_); }, text);
    expect_error<DataError>([&] { other.load(path_); }, path_.string());
  };
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 4);
    expect_refused(bad, i < 8 ? "does not begin with 'LEMURTBL'" : "its checksum is wrong");
    expect_refused(good.substr(0, i), i < 8 ? "does not begin" : "is damaged");
  }
  expect_refused(good + "x", "its checksum is wrong");
  EXPECT_EQ(find(other, {9, 1}), (Rows{1, 0}));

  std::ofstream(path_, std::ios::binary) << good;
  EmbeddingTable wide({.width = 3});
  expect_error<DataError>([&] { wide.load(path_); }, "holds rows of width 2; expected 3");
  other.load(path_);
  EXPECT_EQ(find(other, {9, 4}), find(table, {9, 4}));
}

TEST(EmbeddingTable, CountsSamplesOnceHoweverOftenTheyCome) {
  EmbeddingTable table({.width = 2, .admit_after = 3});
  Rows rows(1);
  const Keys key = {5};
  admit(table, {5, 5});
  for (int epoch = 1; epoch < 4; ++epoch) {
    table.find_or_admit(key, 0, rows, /*is_first=*/false);
    EXPECT_EQ(rows[0], 0) << epoch;
  }
  EXPECT_NE(admit(table, {5})[0], 0) << "the third sample";

  EmbeddingTable at_once({.width = 2});
  at_once.find_or_admit(key, 0, rows, /*is_first=*/false);
  EXPECT_NE(rows[0], 0) << "one sample is enough, and this is one";
}

TEST_F(EmbeddingTableFile, TakesAnAdmissionBackWhole) {
  for (int64_t admit_after : {1, 2}) {
    for (const bool averages : {false, true}) {
      EmbeddingTable table({.width = 3, .admit_after = admit_after, .expire_ms = 100});
      admit(table, {1, 1, 2, 2, 3, 3, 4}, 10);
      admit(table, {3, 3, 4}, 200);
      if (averages) table.advance_averages(0.9);
      EXPECT_GT(table.expire(200), 0) << "there are free rows";
      table.save(path_);
      const std::string before = read_file(path_);
      // Known, waiting and new keys, more than there are free rows; some twice.
      admit(table, {3, 4, 4, 5, 6, 6, 7, 7, 8, 8, 9, 9, 3}, 300);
      table.save(path_);
      EXPECT_NE(read_file(path_), before);
      table.undo_admission();
      table.save(path_);
      EXPECT_EQ(read_file(path_), before) << admit_after << averages;
      table.undo_admission();
      table.save(path_);
      EXPECT_EQ(read_file(path_), before) << "once is all";
    }
  }
}

}  // namespace
}  // namespace lemur
