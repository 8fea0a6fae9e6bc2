// Look-ups in the memory bank and the embedding tables.
#include <fmt/format.h>
#include <torch/torch.h>

#include <numeric>
#include <random>

#include "bench/benches.h"
#include "lemur/tables/embedding_table.h"
#include "lemur/tables/memory_bank.h"

namespace lemur {
namespace {

constexpr int64_t kWidth = 128, kBlock = 1 << 16;

template <typename T>
std::vector<T> draw(size_t count, T limit, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(random() % static_cast<uint64_t>(limit));
  return values;
}

/// A bank of documents 0, 1, ...
void fill(MemoryBank& bank, int64_t documents) {
  const torch::Tensor vectors = torch::randn({kBlock, kWidth});
  std::vector<uint64_t> keys;
  for (int64_t begin = 0; begin < documents; begin += kBlock) {
    keys.resize(static_cast<size_t>(std::min(kBlock, documents - begin)));
    std::iota(keys.begin(), keys.end(), begin);
    std::vector<int32_t> rows(keys.size());
    bank.write(keys, vectors.narrow(0, 0, std::ssize(keys)), 0, rows);
  }
}

}  // namespace

void bench_look_up(Report& report, int64_t documents) {
  MemoryBank bank(kWidth);
  fill(bank, documents);
  constexpr size_t kIds = 1000;
  const auto keys = draw<uint64_t>(kIds, static_cast<uint64_t>(documents), 1);
  std::vector<int32_t> rows(kIds);
  bank.find(keys, rows);
  const double bytes = kIds * kWidth * (2 + 4);
  report.alternate(
      "bank", fmt::format("{} ids of {} documents, width {}", kIds, documents, kWidth),
      {{.name = "find and gather",
        .call =
            [&] {
              bank.find(keys, rows);
              bank.gather(rows);
            },
        .bytes = bytes,
        .items = kIds},
       {.name = "gather", .call = [&] { bank.gather(rows); }, .bytes = bytes, .items = kIds}});
}

void bench_table(Report& report, int64_t keys_in_use) {
  EmbeddingTable table({.width = 16});
  std::vector<uint64_t> keys(static_cast<size_t>(keys_in_use));
  std::iota(keys.begin(), keys.end(), 0);
  std::vector<int32_t> rows(keys.size());
  table.find_or_admit(keys, 0, rows);
  constexpr size_t kRows = 10000;
  std::vector<int32_t> touched(kRows);
  for (size_t i = 0; i < kRows; ++i) touched[i] = rows[i * rows.size() / kRows];
  const auto some = draw<uint64_t>(kRows, static_cast<uint64_t>(keys_in_use), 2);
  const torch::Tensor gradient = torch::randn({kRows, 16});
  report.alternate("bank", fmt::format("{} of {} table rows, width 16", kRows, keys_in_use),
                   {{.name = "find",
                     .call = [&] { table.find(some, std::span(rows).first(kRows)); },
                     .items = kRows},
                    {.name = "gather",
                     .call = [&] { table.gather(touched); },
                     .bytes = kRows * 16 * 8,
                     .items = kRows},
                    {.name = "row Adagrad",
                     .call = [&] { table.apply(touched, gradient, {}); },
                     .bytes = kRows * (16 * 12 + 8),
                     .items = kRows}});
}

void bench_bank(Report& report) {
  report.roof(1);
  for (int64_t documents : {10'000, 1'000'000}) bench_look_up(report, documents);
  bench_table(report, 1'000'000);
}

}  // namespace lemur
