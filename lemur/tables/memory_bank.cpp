#include "lemur/tables/memory_bank.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <shared_mutex>

#include "lemur/base/error.h"
#include "lemur/tables/chunked_rows.h"
#include "lemur/tables/float16.h"
#include "lemur/tables/key_map.h"
#include "lemur/tables/row_file.h"

namespace lemur {
namespace {

constexpr std::string_view kBankMagic = "LEMURBNK";

void check_vectors(const torch::Tensor& vectors, size_t num_keys, int64_t width) {
  if (!vectors.defined() || vectors.scalar_type() != torch::kFloat32 || !vectors.is_cpu() ||
      !vectors.is_contiguous())
    fail<InvalidArgument>("memory bank", "vectors must be contiguous float32 on the CPU");
  if (vectors.dim() != 2 || vectors.size(0) != static_cast<int64_t>(num_keys) ||
      vectors.size(1) != width)
    fail<InvalidArgument>("memory bank", "vectors are [{}]; expected [{}, {}]",
                          fmt::join(vectors.sizes(), ", "), num_keys, width);
}

/// Refuses what float16 cannot hold: NaN, infinity, and what rounds to infinity.
void check_finite(std::span<const uint64_t> keys, const float* values, int64_t width) {
  constexpr float kFirstInfinite = 65520;
  for (size_t i = 0; i < keys.size(); ++i)
    for (int64_t j = 0; j < width; ++j, ++values)
      if (!(std::fabs(*values) < kFirstInfinite))
        fail<UnstorableVector>("memory bank",
                               "the vector of key {} holds {} at {}; expected a finite float16",
                               keys[i], *values, j);
}

void check_lengths(size_t inputs, size_t outputs) {
  if (inputs != outputs)
    fail<InvalidArgument>("memory bank", "{} items given, but room for {} results", inputs,
                          outputs);
}

struct BankState {
  explicit BankState(int64_t width) : vectors(width) {}

  KeyMap<int32_t> row_of;
  ChunkedRows<uint64_t> keys;
  ChunkedRows<int64_t> last_step, writes;
  ChunkedRows<uint16_t> vectors;  // float16 bits

  int64_t size() const { return keys.size(); }

  void check_row(int32_t row) const {
    if (row < 0 || row >= size())
      fail<InvalidArgument>("memory bank", "row {} asked for; the bank has {}", row, size());
  }

  /// Returns the row of a key, a new one if need be.
  int32_t find_or_add(uint64_t key) {
    int64_t row = size();
    auto [entry, is_new] = row_of.try_emplace(key, static_cast<int32_t>(row));
    if (!is_new) return entry->second;
    ensure(row < std::numeric_limits<int32_t>::max(), "memory bank", "row numbers fit 32 bits");
    keys.grow(row + 1);
    last_step.grow(row + 1);
    writes.grow(row + 1);
    vectors.grow(row + 1);
    keys[row] = key;
    writes[row] = 0;
    return static_cast<int32_t>(row);
  }

  void remove_newest(uint64_t key) {
    const int64_t row = size() - 1;
    ensure(row >= 0 && keys[row] == key, "memory bank", "the newest row is removed first");
    row_of.erase(key);
    keys.shrink(row);
    last_step.shrink(row);
    writes.shrink(row);
    vectors.shrink(row);
  }

  void prefetch(int32_t row) const {
    constexpr int64_t kLineBytes = 64;
    if (row < 0 || row >= size()) return;
    const auto* bytes = reinterpret_cast<const char*>(vectors.row(row));
    for (int64_t i = 0; i < vectors.row_bytes(); i += kLineBytes) __builtin_prefetch(bytes + i);
  }
};

}  // namespace

struct MemoryBank::Impl {
  explicit Impl(int64_t width) : width(width), state(width) {}

  const int64_t width;
  mutable std::mutex entrance;      // held while waiting for `mutex`: readers cannot starve writers
  mutable std::shared_mutex mutex;  // guards state
  BankState state;

  std::shared_lock<std::shared_mutex> reading() const {
    std::lock_guard turn(entrance);
    return std::shared_lock(mutex);
  }
  std::unique_lock<std::shared_mutex> writing() const {
    std::lock_guard turn(entrance);
    return std::unique_lock(mutex);
  }
};

MemoryBank::MemoryBank(int64_t width) {
  if (width <= 0) fail<InvalidArgument>("memory bank", "width is {}; expected 1 or more", width);
  impl_ = std::make_unique<Impl>(width);
}

MemoryBank::~MemoryBank() = default;

int64_t MemoryBank::width() const { return impl_->width; }

int64_t MemoryBank::size() const {
  auto lock = impl_->reading();
  return impl_->state.size();
}

int64_t MemoryBank::size_bytes() const {
  auto lock = impl_->reading();
  const BankState& state = impl_->state;
  return map_bytes(state.row_of) + state.keys.size_bytes() + state.last_step.size_bytes() +
         state.writes.size_bytes() + state.vectors.size_bytes();
}

void MemoryBank::find(std::span<const uint64_t> keys, std::span<int32_t> rows) const {
  check_lengths(keys.size(), rows.size());
  auto lock = impl_->reading();
  const auto& row_of = impl_->state.row_of;
  for (size_t i = 0; i < keys.size(); ++i) {
    auto entry = row_of.find(keys[i]);
    rows[i] = entry == row_of.end() ? kAbsent : entry->second;
  }
}

void MemoryBank::write(std::span<const uint64_t> keys, const torch::Tensor& vectors, int64_t step,
                       std::span<int32_t> rows) {
  check_lengths(keys.size(), rows.size());
  check_vectors(vectors, keys.size(), impl_->width);
  const float* values = vectors.data_ptr<float>();
  check_finite(keys, values, impl_->width);
  auto lock = impl_->writing();
  BankState& state = impl_->state;
  for (size_t i = 0; i < keys.size(); ++i, values += impl_->width) {
    int32_t row = rows[i] = state.find_or_add(keys[i]);
    to_float16(values, state.vectors.row(row), impl_->width);
    state.last_step[row] = step;
    ++state.writes[row];
  }
}

BankRows MemoryBank::held(std::span<const uint64_t> keys) const {
  const auto width = static_cast<size_t>(impl_->width);
  BankRows held{{keys.begin(), keys.end()},
                std::vector<int32_t>(keys.size()),
                std::vector<int64_t>(keys.size()),
                std::vector<int64_t>(keys.size()),
                std::vector<uint16_t>(keys.size() * width)};
  find(keys, held.rows);
  auto lock = impl_->reading();
  const BankState& state = impl_->state;
  for (size_t i = 0; i < keys.size(); ++i) {
    const int32_t row = held.rows[i];
    if (row == kAbsent) continue;
    held.last_steps[i] = state.last_step[row];
    held.writes[i] = state.writes[row];
    std::copy_n(state.vectors.row(row), width, held.vectors.begin() + i * width);
  }
  return held;
}

void MemoryBank::put_back(const BankRows& held) {
  const auto width = static_cast<size_t>(impl_->width);
  auto lock = impl_->writing();
  BankState& state = impl_->state;
  for (size_t i = held.keys.size(); i-- > 0;) {
    const int32_t row = held.rows[i];
    if (row == kAbsent) {
      state.remove_newest(held.keys[i]);
      continue;
    }
    state.last_step[row] = held.last_steps[i];
    state.writes[row] = held.writes[i];
    std::copy_n(held.vectors.begin() + i * width, width, state.vectors.row(row));
  }
}

torch::Tensor MemoryBank::gather(std::span<const int32_t> rows) const {
  constexpr size_t kAhead = 8;
  auto result = torch::empty({static_cast<int64_t>(rows.size()), impl_->width}, torch::kFloat32);
  auto* target = result.data_ptr<float>();
  auto lock = impl_->reading();
  const BankState& state = impl_->state;
  for (size_t i = 0; i < rows.size(); ++i, target += impl_->width) {
    if (i + kAhead < rows.size()) state.prefetch(rows[i + kAhead]);
    if (rows[i] == kAbsent) {
      std::fill_n(target, impl_->width, 0.0F);
    } else {
      state.check_row(rows[i]);
      from_float16(state.vectors.row(rows[i]), target, impl_->width);
    }
  }
  return result;
}

void MemoryBank::ages(std::span<const int32_t> rows, std::span<int64_t> last_step) const {
  check_lengths(rows.size(), last_step.size());
  auto lock = impl_->reading();
  for (size_t i = 0; i < rows.size(); ++i) {
    impl_->state.check_row(rows[i]);
    last_step[i] = impl_->state.last_step[rows[i]];
  }
}

int64_t MemoryBank::writes(int32_t row) const {
  auto lock = impl_->reading();
  impl_->state.check_row(row);
  return impl_->state.writes[row];
}

// A row file (row_file.h): count (u64); then by row: keys (u64), last_step (i64), writes (i64),
// vectors (float16 [count, width]).
void MemoryBank::save(const std::filesystem::path& path) const {
  auto lock = impl_->reading();
  const BankState& state = impl_->state;
  RowFileWriter file(path, kBankMagic, impl_->width);
  file.number(static_cast<uint64_t>(state.size()));
  file.rows(state.keys);
  file.rows(state.last_step);
  file.rows(state.writes);
  file.rows(state.vectors);
  file.finish();
}

void MemoryBank::load(const std::filesystem::path& path) {
  RowFileReader file(path, kBankMagic, impl_->width);
  BankState loaded(impl_->width);
  auto count = file.number<uint64_t>();
  if (count > std::numeric_limits<int32_t>::max()) file.damaged("it has too many rows");
  file.rows(count, loaded.keys);
  file.rows(count, loaded.last_step);
  file.rows(count, loaded.writes);
  file.rows(count, loaded.vectors);
  file.finish();
  loaded.row_of.reserve(count);
  for (int32_t row = 0; row < loaded.size(); ++row)
    if (!loaded.row_of.try_emplace(loaded.keys[row], row).second) file.damaged("a key repeats");
  auto lock = impl_->writing();
  impl_->state = std::move(loaded);
}

}  // namespace lemur
