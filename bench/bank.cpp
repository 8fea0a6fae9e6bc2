// Look-ups in the memory bank and the embedding tables.
#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
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
  // Others in every call, so that no cache has them.
  constexpr size_t kIds = 1000, kCalls = 400;
  const auto keys = draw<uint64_t>(kIds * kCalls, static_cast<uint64_t>(documents), 1);
  std::vector<int32_t> rows(kIds), known(keys.size());
  bank.find(keys, known);
  size_t call = 0;
  const auto next = [&] { return kIds * (call++ % kCalls); };
  // Of a small bank the caches hold much, so that memory is no roof.
  const double bytes = documents >= 1'000'000 ? kIds * kWidth * (2 + 4) : 0;
  report.alternate("bank", fmt::format("{} ids of {} documents, width {}", kIds, documents, kWidth),
                   {{.name = "find and gather",
                     .call =
                         [&] {
                           bank.find(std::span(keys).subspan(next(), kIds), rows);
                           bank.gather(rows);
                         },
                     .bytes = bytes,
                     .items = kIds},
                    {.name = "gather",
                     .call = [&] { bank.gather(std::span(known).subspan(next(), kIds)); },
                     .bytes = bytes,
                     .items = kIds},
                    {.name = "gather, the same ids again",
                     .call = [&] { bank.gather(std::span(known).first(kIds)); },
                     .items = kIds}});
}

void bench_table(Report& report, int64_t keys_in_use) {
  EmbeddingTable table({.width = 16});
  std::vector<uint64_t> keys(static_cast<size_t>(keys_in_use));
  std::iota(keys.begin(), keys.end(), 0);
  std::vector<int32_t> rows(keys.size());
  table.find_or_admit(keys, 0, rows);
  constexpr size_t kRows = 10000, kCalls = 50;
  const auto some = draw<uint64_t>(kRows * kCalls, static_cast<uint64_t>(keys_in_use), 2);
  std::vector<std::vector<int32_t>> touched(kCalls);  // distinct, other ones in every call
  for (size_t c = 0; c < kCalls; ++c) {
    auto& list = touched[c];
    for (size_t i = 0; i < kRows; ++i) list.push_back(rows[some[c * kRows + i]]);
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  const torch::Tensor gradient = torch::randn({kRows, 16});
  size_t call = 0;
  const auto next = [&] { return call++ % kCalls; };
  report.alternate("bank", fmt::format("{} of {} table rows, width 16", kRows, keys_in_use),
                   {{.name = "find",
                     .call =
                         [&] {
                           table.find(std::span(some).subspan(next() * kRows, kRows),
                                      std::span(rows).first(kRows));
                         },
                     .items = kRows},
                    {.name = "gather",
                     .call = [&] { table.gather(touched[next()]); },
                     .bytes = kRows * 16 * 8,
                     .items = kRows},
                    {.name = "row Adagrad",
                     .call =
                         [&] {
                           const auto& list = touched[next()];
                           table.apply(list, gradient.narrow(0, 0, std::ssize(list)), {});
                         },
                     .bytes = kRows * (16 * 12 + 8),
                     .items = kRows}});
}

void bench_bank(Report& report) {
  report.roof(1);
  for (int64_t documents : {10'000, 1'000'000}) bench_look_up(report, documents);
  bench_table(report, 1'000'000);
}

}  // namespace lemur
