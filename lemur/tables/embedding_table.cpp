#include "lemur/tables/embedding_table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"
#include "lemur/tables/chunked_rows.h"
#include "lemur/tables/key_map.h"
#include "lemur/tables/row_file.h"

namespace lemur {
namespace {

constexpr std::string_view kTableMagic = "LEMURTBL";
constexpr int32_t kDefaultRow = 0;

/// What is known of a key that was not admitted yet.
struct Sightings {
  int64_t count = 0;
  int64_t last_seen = std::numeric_limits<int64_t>::min();
};

/// What a sighting changed.
struct Change {
  uint64_t key;
  int32_t row;                                  // kDefaultRow: the key waits
  int64_t seen_before;                          // last_seen of the row, or of the waiting key
  int64_t waited_before;                        // sightings of a key that waited; 0: it did not
  bool is_admitted = false, is_reused = false;  // the row is the key's since; was free before
};

/// Moving averages of the rows, each as of its own time: exp(earlier - later) is what remains of an
/// average between two of them. A row that nobody touches needs no work until it is asked for.
struct Averages {
  explicit Averages(int64_t width) : values(width) {}

  double before = 0, now = 0;  // the step at hand
  ChunkedRows<double> times;
  ChunkedRows<float> values;
};

struct TableState {
  explicit TableState(int64_t width) : values(width) {}

  KeyMap<int32_t> row_of;
  KeyMap<Sightings> waiting;
  ChunkedRows<uint64_t> keys;      // 0 in the default row and in free ones
  ChunkedRows<int64_t> last_seen;  // ms
  ChunkedRows<float> accumulators;
  ChunkedRows<float> values;
  std::optional<Averages> averages;
  std::vector<int32_t> free_rows;  // the last one is reused first
  int64_t generation = 0;
  std::vector<Change> changes;  // of the last find_or_admit

  int64_t num_rows() const { return keys.size(); }

  /// Returns a row that holds zeros: a free one or a new one.
  int32_t take_row() {
    if (!free_rows.empty()) {
      int32_t row = free_rows.back();
      free_rows.pop_back();
      return row;
    }
    int64_t row = num_rows();
    ensure(row < std::numeric_limits<int32_t>::max(), "embedding table", "row numbers fit 32 bits");
    keys.grow(row + 1);
    last_seen.grow(row + 1);
    accumulators.grow(row + 1);
    values.grow(row + 1);
    if (averages) averages->times.grow(row + 1), averages->values.grow(row + 1);
    clear(static_cast<int32_t>(row));
    return static_cast<int32_t>(row);
  }

  /// Undoes take_row.
  void give_back(int32_t row, bool is_reused) {
    if (is_reused) {
      clear(row);
      free_rows.push_back(row);
      return;
    }
    ensure(row == num_rows() - 1, "embedding table", "the newest row is given back first");
    keys.shrink(row);
    last_seen.shrink(row);
    accumulators.shrink(row);
    values.shrink(row);
    if (averages) averages->times.shrink(row), averages->values.shrink(row);
  }

  void clear(int32_t row) {
    keys[row] = 0;
    last_seen[row] = 0;
    accumulators[row] = 0;
    std::fill_n(values.row(row), width(), 0.0F);
    if (averages) begin_average(row);
  }

  int64_t width() const { return values.row_bytes() / static_cast<int64_t>(sizeof(float)); }

  /// The average of a row begins as the row.
  void begin_average(int32_t row) {
    averages->times[row] = averages->now;
    std::copy_n(values.row(row), width(), averages->values.row(row));
  }

  /// Brings the average of a row that has not changed since up to `time`.
  void bring_average(int32_t row, double time) {
    double& last = averages->times[row];
    if (last == time) return;
    const auto keep = static_cast<float>(std::exp(last - time));
    last = time;
    const float* value = values.row(row);
    float* average = averages->values.row(row);
    for (int64_t j = 0; j < width(); ++j) average[j] = value[j] + keep * (average[j] - value[j]);
  }

  void bring_averages() {
    for (int32_t row = 0; row < num_rows(); ++row) bring_average(row, averages->now);
  }

  void check_rows(std::span<const int32_t> rows) const {
    for (int32_t row : rows)
      if (row < 0 || row >= num_rows())
        fail<InvalidArgument>("embedding table", "row {} asked for; the table has {}", row,
                              num_rows());
  }
};

/// Draws a row by the Box-Muller transform of hashes of (seed, key).
void draw_normal(uint64_t seed, uint64_t key, double deviation, float* values, int64_t width) {
  for (int64_t i = 0; i < width; i += 2) {
    auto draw = static_cast<uint64_t>(i);
    double radius = deviation * std::sqrt(-2 * std::log(1 - hash_uniform(seed, draw, key)));
    double angle = 2 * std::numbers::pi * hash_uniform(seed, draw + 1, key);
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < width) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

void check_rows_of_keys(size_t keys, size_t rows) {
  if (keys != rows)
    fail<InvalidArgument>("embedding table", "{} keys given, but {} rows", keys, rows);
}

void check_options(const EmbeddingTableOptions& options) {
  auto demand = [](bool holds, const char* name, auto value, const char* expected) {
    if (!holds)
      fail<InvalidArgument>("embedding table", "{} is {}; expected {}", name, value, expected);
  };
  demand(options.width > 0, "width", options.width, "1 or more");
  demand(options.admit_after > 0, "admit_after", options.admit_after, "1 or more");
  demand(options.expire_ms >= 0, "expire_ms", options.expire_ms, "0 or more");
  demand(options.init_scale >= 0, "init_scale", options.init_scale, "0 or more");
}

}  // namespace

struct EmbeddingTable::Impl {
  explicit Impl(const EmbeddingTableOptions& options) : options(options), state(options.width) {
    state.take_row();
  }

  const EmbeddingTableOptions options;
  TableState state;

  int32_t admit(uint64_t key) {
    int32_t row = state.take_row();
    state.keys[row] = key;
    state.last_seen[row] = std::numeric_limits<int64_t>::min();
    draw_normal(options.seed, key, options.init_scale, state.values.row(row), options.width);
    if (state.averages) state.begin_average(row);
    state.row_of.emplace(key, row);
    return row;
  }

  /// Returns the key's row after one more sighting.
  int32_t sight(uint64_t key, int64_t time_ms, bool is_first) {
    Change change{key, kDefaultRow, std::numeric_limits<int64_t>::min(), 0};
    auto entry = state.row_of.find(key);
    if (entry != state.row_of.end()) {
      change.row = entry->second;
      change.seen_before = state.last_seen[change.row];
    } else if (options.admit_after > 1) {
      if (!is_first || !wait(key, time_ms, change)) return kDefaultRow;
    }
    if (entry == state.row_of.end()) {
      change.is_admitted = true;
      change.is_reused = !state.free_rows.empty();
      change.row = admit(key);
    }
    const int64_t seen = std::max(change.seen_before, time_ms);
    state.last_seen[change.row] = std::max(state.last_seen[change.row], seen);
    state.changes.push_back(change);
    return change.row;
  }

  /// Counts a sighting of a key without a row; returns whether it has waited long enough.
  bool wait(uint64_t key, int64_t time_ms, Change& change) {
    Sightings& sightings = state.waiting[key];
    change.seen_before = sightings.last_seen;
    change.waited_before = sightings.count;
    sightings.last_seen = std::max(sightings.last_seen, time_ms);
    if (++sightings.count >= options.admit_after) {
      state.waiting.erase(key);
      return true;
    }
    state.changes.push_back(change);
    return false;
  }

  void undo(const Change& change) {
    if (change.is_admitted) {
      state.row_of.erase(change.key);
      state.give_back(change.row, change.is_reused);
    } else if (change.row != kDefaultRow) {
      state.last_seen[change.row] = change.seen_before;
      return;
    }
    if (change.waited_before > 0)
      state.waiting[change.key] = {change.waited_before, change.seen_before};
    else
      state.waiting.erase(change.key);
  }
};

EmbeddingTable::EmbeddingTable(const EmbeddingTableOptions& options) {
  check_options(options);
  impl_ = std::make_unique<Impl>(options);
}

EmbeddingTable::~EmbeddingTable() = default;

int64_t EmbeddingTable::width() const { return impl_->options.width; }

int64_t EmbeddingTable::size() const {
  return impl_->state.num_rows() - static_cast<int64_t>(impl_->state.free_rows.size());
}

int64_t EmbeddingTable::size_bytes() const {
  const TableState& state = impl_->state;
  return map_bytes(state.row_of) + map_bytes(state.waiting) + state.keys.size_bytes() +
         state.last_seen.size_bytes() + state.accumulators.size_bytes() +
         state.values.size_bytes() +
         (state.averages ? state.averages->times.size_bytes() + state.averages->values.size_bytes()
                         : 0) +
         static_cast<int64_t>(state.free_rows.capacity() * sizeof(int32_t));
}

int64_t EmbeddingTable::generation() const { return impl_->state.generation; }

void EmbeddingTable::find_or_admit(std::span<const uint64_t> keys, int64_t time_ms,
                                   std::span<int32_t> rows, bool is_first) {
  check_rows_of_keys(keys.size(), rows.size());
  impl_->state.changes.clear();
  for (size_t i = 0; i < keys.size(); ++i) rows[i] = impl_->sight(keys[i], time_ms, is_first);
}

void EmbeddingTable::undo_admission() {
  std::vector<Change>& changes = impl_->state.changes;
  for (; !changes.empty(); changes.pop_back()) impl_->undo(changes.back());
}

void EmbeddingTable::find(std::span<const uint64_t> keys, std::span<int32_t> rows) const {
  check_rows_of_keys(keys.size(), rows.size());
  const auto& row_of = impl_->state.row_of;
  for (size_t i = 0; i < keys.size(); ++i) {
    auto entry = row_of.find(keys[i]);
    rows[i] = entry == row_of.end() ? kDefaultRow : entry->second;
  }
}

torch::Tensor EmbeddingTable::gather(std::span<const int32_t> rows) const {
  impl_->state.check_rows(rows);
  const int64_t width = impl_->options.width;
  auto result = torch::empty({static_cast<int64_t>(rows.size()), width}, torch::kFloat32);
  auto* target = result.data_ptr<float>();
  for (size_t i = 0; i < rows.size(); ++i, target += width)
    std::copy_n(impl_->state.values.row(rows[i]), width, target);
  return result;
}

void EmbeddingTable::apply(std::span<const int32_t> rows, const torch::Tensor& gradient,
                           const RowAdagradOptions& options) {
  TableState& state = impl_->state;
  const int64_t width = impl_->options.width;
  if (!gradient.defined() || gradient.scalar_type() != torch::kFloat32 || !gradient.is_cpu())
    fail<InvalidArgument>("embedding table", "the gradient must be float32 on the CPU");
  if (gradient.dim() != 2 || gradient.size(0) != static_cast<int64_t>(rows.size()) ||
      gradient.size(1) != width)
    fail<InvalidArgument>("embedding table", "the gradient is [{}]; expected [{}, {}]",
                          fmt::join(gradient.sizes(), ", "), rows.size(), width);
  state.check_rows(rows);
  const torch::Tensor contiguous = gradient.contiguous();
  const auto* g = contiguous.data_ptr<float>();
  const auto keep = static_cast<float>(1 - options.learning_rate * options.weight_decay);
  for (size_t i = 0; i < rows.size(); ++i, g += width) {
    if (state.averages) state.bring_average(rows[i], state.averages->before);
    float squares = 0;
    for (int64_t j = 0; j < width; ++j) squares += g[j] * g[j];
    float& accumulator = state.accumulators[rows[i]];
    accumulator += squares / static_cast<float>(width);
    const auto scale = static_cast<float>(
        options.learning_rate / (std::sqrt(static_cast<double>(accumulator)) + options.epsilon));
    float* values = state.values.row(rows[i]);
    for (int64_t j = 0; j < width; ++j) values[j] = keep * values[j] - scale * g[j];
    if (state.averages) state.bring_average(rows[i], state.averages->now);
  }
}

void EmbeddingTable::advance_averages(double decay) {
  TableState& state = impl_->state;
  if (!state.averages) {
    state.averages.emplace(impl_->options.width);
    state.averages->times.grow(state.num_rows());
    state.averages->values.grow(state.num_rows());
    for (int32_t row = 0; row < state.num_rows(); ++row) state.begin_average(row);
  }
  state.averages->before = state.averages->now;
  state.averages->now -= std::log(decay);
}

void EmbeddingTable::swap_averages() {
  TableState& state = impl_->state;
  if (!state.averages) return;
  state.bring_averages();
  std::swap(state.values, state.averages->values);
}

void EmbeddingTable::adopt_averages() {
  swap_averages();
  impl_->state.averages.reset();
}

int64_t EmbeddingTable::expire(int64_t now_ms) {
  TableState& state = impl_->state;
  if (impl_->options.expire_ms == 0) return 0;
  state.changes.clear();
  const int64_t oldest = now_ms - impl_->options.expire_ms;
  for (auto entry = state.waiting.begin(); entry != state.waiting.end();)
    entry = entry->second.last_seen < oldest ? state.waiting.erase(entry) : std::next(entry);
  int64_t dropped = 0;
  for (int32_t row = kDefaultRow + 1; row < state.num_rows(); ++row) {
    auto entry = state.row_of.find(state.keys[row]);
    bool in_use = entry != state.row_of.end() && entry->second == row;
    if (!in_use || state.last_seen[row] >= oldest) continue;
    state.row_of.erase(entry);
    state.clear(row);
    state.free_rows.push_back(row);
    ++dropped;
  }
  if (dropped > 0) ++state.generation;
  return dropped;
}

// A row file (row_file.h): number of rows (u64), of free rows (u64), of waiting keys (u64),
// generation (i64); by row: keys (u64), last_seen (i64), accumulators (f32), values (f32 [rows,
// width]); free rows (i32); by waiting key, ascending: keys (u64), sightings (i64), last_seen
// (i64); where averages are kept: their time (f64), by row: times (f64), averages (f32 [rows,
// width]).
void EmbeddingTable::save(const std::filesystem::path& path) const {
  const TableState& state = impl_->state;
  std::vector<uint64_t> waiting;
  for (const auto& entry : state.waiting) waiting.push_back(entry.first);
  std::sort(waiting.begin(), waiting.end());
  RowFileWriter file(path, kTableMagic, impl_->options.width);
  file.number(static_cast<uint64_t>(state.num_rows()));
  file.number(static_cast<uint64_t>(state.free_rows.size()));
  file.number(static_cast<uint64_t>(waiting.size()));
  file.number(state.generation);
  file.rows(state.keys);
  file.rows(state.last_seen);
  file.rows(state.accumulators);
  file.rows(state.values);
  file.array(std::span<const int32_t>(state.free_rows));
  file.array(std::span<const uint64_t>(waiting));
  for (uint64_t key : waiting) file.number(state.waiting.at(key).count);
  for (uint64_t key : waiting) file.number(state.waiting.at(key).last_seen);
  if (state.averages) {
    file.number(state.averages->now);
    file.rows(state.averages->times);
    file.rows(state.averages->values);
  }
  file.finish();
}

void EmbeddingTable::load(const std::filesystem::path& path) {
  RowFileReader file(path, kTableMagic, impl_->options.width);
  TableState loaded(impl_->options.width);
  auto num_rows = file.number<uint64_t>();
  auto num_free = file.number<uint64_t>();
  auto num_waiting = file.number<uint64_t>();
  loaded.generation = file.number<int64_t>();
  if (num_rows == 0 || num_rows > std::numeric_limits<int32_t>::max())
    file.damaged("its number of rows is wrong");
  file.rows(num_rows, loaded.keys);
  file.rows(num_rows, loaded.last_seen);
  file.rows(num_rows, loaded.accumulators);
  file.rows(num_rows, loaded.values);
  loaded.free_rows = file.array<int32_t>(num_free);
  auto keys = file.array<uint64_t>(num_waiting);
  auto counts = file.array<int64_t>(num_waiting);
  auto last_seen = file.array<int64_t>(num_waiting);
  if (!file.at_end()) {
    Averages& averages = loaded.averages.emplace(impl_->options.width);
    averages.now = averages.before = file.number<double>();
    file.rows(num_rows, averages.times);
    file.rows(num_rows, averages.values);
  }
  file.finish();

  std::vector<bool> is_free(num_rows, false);
  for (int32_t row : loaded.free_rows) {
    if (row <= kDefaultRow || row >= loaded.num_rows() || is_free[static_cast<size_t>(row)])
      file.damaged("its free rows are wrong");
    is_free[static_cast<size_t>(row)] = true;
  }
  loaded.row_of.reserve(num_rows);
  for (int32_t row = kDefaultRow + 1; row < loaded.num_rows(); ++row)
    if (!is_free[static_cast<size_t>(row)] &&
        !loaded.row_of.try_emplace(loaded.keys[row], row).second)
      file.damaged("a key repeats");
  for (size_t i = 0; i < keys.size(); ++i)
    loaded.waiting.emplace(keys[i], Sightings{counts[i], last_seen[i]});
  impl_->state = std::move(loaded);
}

}  // namespace lemur
