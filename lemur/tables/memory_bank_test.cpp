#include "lemur/tables/memory_bank.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <limits>
#include <numeric>
#include <thread>

#include "lemur/base/folder.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

constexpr int32_t kAbsent = MemoryBank::kAbsent;

std::vector<int32_t> write(MemoryBank& bank, std::span<const uint64_t> keys,
                           const torch::Tensor& vectors, int64_t step) {
  std::vector<int32_t> rows(keys.size(), -7);
  bank.write(keys, vectors, step, rows);
  return rows;
}

std::vector<int32_t> find_rows(const MemoryBank& bank, std::span<const uint64_t> keys) {
  std::vector<int32_t> rows(keys.size(), -7);
  bank.find(keys, rows);
  return rows;
}

std::vector<uint64_t> bank_keys(int64_t n, uint64_t first = 0) {
  std::vector<uint64_t> keys(static_cast<size_t>(n));
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = (first + i) << 40;
  return keys;
}

torch::Tensor some_vectors(int64_t n, int64_t width, uint64_t seed = 3) {
  torch::manual_seed(seed);
  return torch::randn({n, width});
}

class MemoryBankFile : public ::testing::Test {
 protected:
  void SetUp() override { path_ = fs::path(::testing::TempDir()) / "lemur_memory_bank_test"; }
  void TearDown() override { fs::remove(path_); }
  fs::path path_;
};

TEST(MemoryBank, GivesBackVectorsRoundedToFloat16) {
  for (int64_t n : {0, 1, 31, 32, 33, 5000})
    for (int64_t width : {1, 31, 32, 33, 128}) {
      MemoryBank bank(width);
      auto vectors = some_vectors(n, width);
      auto keys = bank_keys(n);
      auto rows = write(bank, keys, vectors, 1);
      EXPECT_EQ(bank.size(), n);
      EXPECT_EQ(find_rows(bank, keys), rows);
      auto stored = bank.gather(rows);
      EXPECT_EQ(stored.scalar_type(), torch::kFloat32);
      EXPECT_TRUE(stored.equal(vectors.to(torch::kHalf).to(torch::kFloat32)));
      EXPECT_TRUE(torch::allclose(stored, vectors, std::ldexp(1, -11), std::ldexp(1, -25)));
    }
}

TEST(MemoryBank, KeepsTheNewestVectorOfADocument) {
  MemoryBank bank(2);
  const std::vector<uint64_t> keys = {5, 0, ~0ULL};
  auto rows = write(bank, keys, torch::tensor({{1.F, 2.F}, {3.F, 4.F}, {5.F, 6.F}}), 10);
  auto again = write(bank, std::vector<uint64_t>{0}, torch::tensor({{7.F, 8.F}}), 12);
  EXPECT_EQ(again[0], rows[1]);
  EXPECT_EQ(bank.size(), 3);
  EXPECT_TRUE(bank.gather(rows).equal(torch::tensor({{1.F, 2.F}, {7.F, 8.F}, {5.F, 6.F}})));
}

TEST(MemoryBank, TellsStepAndNumberOfWrites) {
  MemoryBank bank(1);
  auto rows = write(bank, bank_keys(3), torch::zeros({3, 1}), 10);
  write(bank, bank_keys(1, 1), torch::zeros({1, 1}), 14);
  write(bank, bank_keys(1, 1), torch::zeros({1, 1}), 15);
  std::vector<int64_t> steps(3);
  bank.ages(rows, steps);
  EXPECT_EQ(steps, (std::vector<int64_t>{10, 15, 10}));
  EXPECT_EQ(bank.writes(rows[0]), 1);
  EXPECT_EQ(bank.writes(rows[1]), 3);
}

TEST(MemoryBank, GivesZerosForWhatIsAbsent) {
  MemoryBank bank(3);
  EXPECT_EQ(find_rows(bank, bank_keys(2)), (std::vector<int32_t>{kAbsent, kAbsent}));
  auto rows = write(bank, bank_keys(1), torch::ones({1, 3}), 0);
  EXPECT_TRUE(bank.gather(std::vector<int32_t>{kAbsent, rows[0], kAbsent})
                  .equal(torch::tensor({{0.F, 0.F, 0.F}, {1.F, 1.F, 1.F}, {0.F, 0.F, 0.F}})));
  EXPECT_EQ(bank.gather({}).sizes(), (std::vector<int64_t>{0, 3}));
}

TEST(MemoryBank, KeepsRowsWhileItGrows) {
  MemoryBank bank(4);
  auto first = write(bank, bank_keys(10), some_vectors(10, 4), 0);
  auto before = bank.gather(first);
  write(bank, bank_keys(5000, 10), some_vectors(5000, 4, 9), 1);
  EXPECT_EQ(find_rows(bank, bank_keys(10)), first);
  EXPECT_TRUE(bank.gather(first).equal(before));
}

TEST(MemoryBank, CountsTheMemoryOfItsVectors) {
  MemoryBank bank(128);
  write(bank, bank_keys(5000), some_vectors(5000, 128), 0);
  const int64_t vectors = 5000 * 128 * 2, columns = 5000 * 24;
  EXPECT_GE(bank.size_bytes(), vectors + columns);
  EXPECT_LE(bank.size_bytes(), vectors * 3 / 2);
}

TEST(MemoryBank, RefusesWhatIsNotFiniteBeforeStoringAnything) {
  const float bad[] = {std::nanf(""), std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity(), 65520};
  for (float value : bad) {
    MemoryBank bank(33);
    write(bank, bank_keys(1), torch::ones({1, 33}), 0);
    auto vectors = torch::zeros({3, 33});
    vectors[2][32] = value;
    expect_error<DataError>([&] { write(bank, bank_keys(3), vectors, 1); },
                            fmt::format("the vector of key {} holds {} at 32", 2ULL << 40, value));
    EXPECT_EQ(bank.size(), 1);
    EXPECT_EQ(bank.writes(0), 1);
    EXPECT_TRUE(bank.gather(std::vector<int32_t>{0}).equal(torch::ones({1, 33})));
  }
}

TEST(MemoryBank, RefusesWrongShapesTypesAndRows) {
  expect_error<InvalidArgument>([] { MemoryBank bank(0); }, "width is 0");
  MemoryBank bank(4);
  auto keys = bank_keys(2);
  auto try_write = [&](const torch::Tensor& vectors) {
    return [&, vectors] { write(bank, keys, vectors, 0); };
  };
  expect_error<InvalidArgument>(try_write(torch::zeros({2, 5})), "are [2, 5]; expected [2, 4]");
  expect_error<InvalidArgument>(try_write(torch::zeros({3, 4})), "are [3, 4]; expected [2, 4]");
  expect_error<InvalidArgument>(try_write(torch::zeros({8})), "are [8]; expected [2, 4]");
  expect_error<InvalidArgument>(try_write(torch::zeros({4, 2}).t()), "contiguous float32");
  expect_error<InvalidArgument>(try_write(torch::zeros({2, 4}, torch::kFloat64)), "float32");
  expect_error<InvalidArgument>(try_write({}), "contiguous float32");
  std::vector<int32_t> too_few(1);
  expect_error<InvalidArgument>([&] { bank.find(keys, too_few); }, "2 items given, but room for 1");
  EXPECT_EQ(bank.size(), 0);

  write(bank, keys, torch::zeros({2, 4}), 0);
  std::vector<int64_t> steps(1);
  for (int32_t row : {2, -2, std::numeric_limits<int32_t>::max()}) {
    std::vector<int32_t> rows = {row};
    expect_error<InvalidArgument>([&] { bank.gather(rows); }, fmt::format("row {} asked", row));
    expect_error<InvalidArgument>([&] { bank.ages(rows, steps); }, "the bank has 2");
    expect_error<InvalidArgument>([&] { bank.writes(row); }, "the bank has 2");
  }
}

TEST_F(MemoryBankFile, GivesBackEverything) {
  for (int64_t n : {0, 1, 31, 32, 33, 1024, 1025}) {
    MemoryBank bank(33);
    auto rows = write(bank, bank_keys(n), some_vectors(n, 33), 4);
    write(bank, bank_keys(n / 2), some_vectors(n / 2, 33, 5), 6);
    bank.save(path_);
    MemoryBank loaded(33);
    write(loaded, bank_keys(3, 99999), torch::ones({3, 33}), 1);
    loaded.load(path_);
    ASSERT_EQ(loaded.size(), n);
    EXPECT_EQ(find_rows(loaded, bank_keys(n)), rows);
    EXPECT_EQ(find_rows(loaded, bank_keys(1, 99999))[0], kAbsent);
    EXPECT_TRUE(loaded.gather(rows).equal(bank.gather(rows)));
    std::vector<int64_t> steps(rows.size()), loaded_steps(rows.size());
    bank.ages(rows, steps);
    loaded.ages(rows, loaded_steps);
    EXPECT_EQ(loaded_steps, steps);
    for (int32_t row : rows) EXPECT_EQ(loaded.writes(row), bank.writes(row));
    const std::string bytes = read_file(path_);
    loaded.save(path_);
    EXPECT_EQ(read_file(path_), bytes);
  }
}

TEST_F(MemoryBankFile, IsRefusedWhenDamagedAndTheBankStaysAsItWas) {
  MemoryBank bank(2);
  write(bank, bank_keys(3), some_vectors(3, 2), 4);
  bank.save(path_);
  const std::string good = read_file(path_);
  MemoryBank other(2);
  write(other, bank_keys(1, 7), torch::ones({1, 2}), 1);
  auto expect_refused = [&](const std::string& bytes, const std::string& text) {
    std::ofstream(path_, std::ios::binary) << bytes;
    expect_error<DataError>([&] { other.load(path_); }, text);
    expect_error<DataError>([&] { other.load(path_); }, path_.string());
  };
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 4);
    expect_refused(bad, i < 8 ? "does not begin with 'LEMURBNK'" : "its checksum is wrong");
    expect_refused(good.substr(0, i), i < 8 ? "does not begin" : "is damaged");
  }
  expect_refused(good + "x", "its checksum is wrong");
  EXPECT_EQ(other.size(), 1);
  EXPECT_TRUE(other.gather(std::vector<int32_t>{0}).equal(torch::ones({1, 2})));

  std::ofstream(path_, std::ios::binary) << good;
  MemoryBank wide(3);
  expect_error<DataError>([&] { wide.load(path_); }, "holds rows of width 2; expected 3");
  fs::remove(path_);
  expect_error<DataError>([&] { other.load(path_); }, "cannot open");
  expect_error<DataError>([&] { other.save(path_ / "absent"); }, "cannot create");
}

// Every vector holds one number throughout, that of the step of its write: a torn one would mix.
TEST(MemoryBank, ShowsReadersWholeVectorsWhileTheWriterWritesAndGrows) {
  constexpr int64_t kWidth = 33, kSteps = 300, kKeys = 32, kReaders = 3;
  MemoryBank bank(kWidth);
  const auto keys = bank_keys(kKeys);
  write(bank, keys, torch::full({kKeys, kWidth}, 0.F), 0);
  std::atomic<bool> done = false;
  std::atomic<int64_t> torn = 0, backward = 0, wrong_step = 0, reads = 0;
  auto read = [&] {
    std::vector<float> newest(kKeys, 0);
    std::vector<int64_t> steps(kKeys);
    do {
      auto rows = find_rows(bank, keys);
      auto vectors = bank.gather(rows);
      bank.ages(rows, steps);
      const auto* values = vectors.data_ptr<float>();
      for (size_t i = 0; i < keys.size(); ++i, values += kWidth) {
        for (int64_t j = 1; j < kWidth; ++j) torn += values[j] != values[0];
        backward += values[0] < newest[i];
        wrong_step += static_cast<float>(steps[i]) < values[0];
        newest[i] = values[0];
      }
      ++reads;
    } while (!done);
  };
  std::vector<std::thread> readers;
  for (int64_t i = 0; i < kReaders; ++i) readers.emplace_back(read);
  for (int64_t step = 1; step <= kSteps; ++step) {
    write(bank, keys, torch::full({kKeys, kWidth}, static_cast<float>(step)), step);
    write(bank, bank_keys(20, 1000 + 20 * static_cast<uint64_t>(step)), torch::ones({20, kWidth}),
          step);
  }
  done = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(backward, 0);
  EXPECT_EQ(wrong_step, 0);
  EXPECT_GE(reads, kReaders);
  EXPECT_EQ(bank.size(), kKeys + 20 * kSteps);
}

TEST_F(MemoryBankFile, TakesAWriteBackWhole) {
  MemoryBank bank(5);
  const auto keys = bank_keys(8);
  write(bank, std::span(keys).first(4), some_vectors(4, 5, 1), 1);
  bank.save(path_);
  const std::string before = read_file(path_);
  const BankRows held = bank.held(keys);
  write(bank, keys, some_vectors(8, 5, 2), 2);
  EXPECT_EQ(bank.size(), 8);
  bank.put_back(held);
  bank.save(path_);
  EXPECT_EQ(read_file(path_), before);
  EXPECT_EQ(find_rows(bank, keys)[4], kAbsent);
}

}  // namespace
}  // namespace lemur
