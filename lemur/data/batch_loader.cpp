#include "lemur/data/batch_loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/data/shuffle.h"

namespace lemur {
namespace {

void check(const LoaderOptions& options) {
  auto at_least = [](const char* name, int64_t value, int64_t low) {
    if (value < low)
      fail<InvalidArgument>("loader", "{} is {}; expected at least {}", name, value, low);
  };
  at_least("batch_size", options.batch_size, 1);
  at_least("window", options.window, 1);
  at_least("epochs", options.epochs, 0);
  at_least("threads", options.threads, 1);
  at_least("ahead", options.ahead, 1);
  at_least("start.epoch", options.start.epoch, 0);
  at_least("start.batch", options.start.batch, 0);
}

}  // namespace

/// Workers take positions in order and leave each batch in a ring of slots; the reader takes the
/// slots in order. A worker waits while its slot still holds an older batch.
struct BatchLoader::Impl {
  struct Slot {
    std::optional<Batch> batch;
    std::exception_ptr error;

    bool is_full() const { return batch || error; }
  };

  Impl(const SampleStore& store, const LoaderOptions& options);
  ~Impl();

  std::optional<Batch> next();
  void work();
  /// Sets the position of the next batch and its number; returns whether there is one to make.
  bool take(std::unique_lock<std::mutex>& lock, LoaderPosition& position, uint64_t& number);
  Batch make(LoaderPosition position) const;
  uint64_t event_at(int64_t epoch, uint64_t index) const;
  LoaderPosition after(LoaderPosition position) const;

  const SampleStore& store_;
  const LoaderOptions options_;
  uint64_t begin_ = 0, size_ = 0;  // of the split
  int64_t batches_ = 0;            // per epoch

  std::mutex mutex_;  // guards everything below but workers_
  std::condition_variable slot_is_free_, slot_is_full_;
  std::vector<Slot> slots_;        // batch number n lies in slot n % size
  uint64_t taken_ = 0;             // batches given to workers
  uint64_t delivered_ = 0;         // batches given to the reader
  LoaderPosition take_, deliver_;  // their positions
  bool stopped_ = false;
  std::vector<std::thread> workers_;
};

BatchLoader::Impl::Impl(const SampleStore& store, const LoaderOptions& options)
    : store_(store), options_(options), take_(options.start), deliver_(options.start) {
  check(options);
  const StoreSchema::Split& split = store.schema().split(options.split);
  begin_ = split.begin;
  size_ = split.end - split.begin;
  auto batch_size = static_cast<uint64_t>(options.batch_size);
  batches_ = static_cast<int64_t>(size_ / batch_size + (size_ % batch_size != 0));
  if (options.start.batch > 0 && options.start.batch >= batches_)
    fail<InvalidArgument>("loader", "start.batch is {}; an epoch of '{}' has {} batches of {}",
                          options.start.batch, options.split, batches_, options.batch_size);
  slots_.resize(static_cast<size_t>(std::max(options.ahead, options.threads)));
  if (batches_ == 0 || take_.epoch >= options.epochs) return;
  for (int64_t i = 0; i < options.threads; ++i) workers_.emplace_back([this] { work(); });
}

BatchLoader::Impl::~Impl() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    slot_is_free_.notify_all();
  }
  for (std::thread& worker : workers_) worker.join();
}

bool BatchLoader::Impl::take(std::unique_lock<std::mutex>& lock, LoaderPosition& position,
                             uint64_t& number) {
  slot_is_free_.wait(lock, [&] { return stopped_ || taken_ - delivered_ < slots_.size(); });
  if (stopped_ || take_.epoch >= options_.epochs) return false;
  position = std::exchange(take_, after(take_));
  number = taken_++;
  return true;
}

void BatchLoader::Impl::work() {
  LoaderPosition position;
  uint64_t number = 0;
  std::unique_lock lock(mutex_);
  while (take(lock, position, number)) {
    lock.unlock();
    Slot made;
    try {
      made.batch = make(position);
    } catch (...) {
      made.error = std::current_exception();
    }
    lock.lock();
    slots_[number % slots_.size()] = std::move(made);
    if (number == delivered_) slot_is_full_.notify_one();
  }
}

std::optional<Batch> BatchLoader::Impl::next() {
  std::unique_lock lock(mutex_);
  if (batches_ == 0 || deliver_.epoch >= options_.epochs) return std::nullopt;
  Slot& slot = slots_[delivered_ % slots_.size()];
  slot_is_full_.wait(lock, [&] { return slot.is_full(); });
  if (slot.error) std::rethrow_exception(slot.error);
  std::optional<Batch> batch = std::move(*slot.batch);
  slot.batch.reset();
  ++delivered_;
  deliver_ = batch->next;
  slot_is_free_.notify_one();
  return batch;
}

LoaderPosition BatchLoader::Impl::after(LoaderPosition position) const {
  if (position.batch + 1 < batches_) return {position.epoch, position.batch + 1};
  return {position.epoch + 1, 0};
}

Batch BatchLoader::Impl::make(LoaderPosition position) const {
  auto batch_size = static_cast<uint64_t>(options_.batch_size);
  uint64_t first = static_cast<uint64_t>(position.batch) * batch_size;
  std::vector<uint64_t> events(std::min(batch_size, size_ - first));
  for (size_t i = 0; i < events.size(); ++i) events[i] = event_at(position.epoch, first + i);
  if (options_.only_weighted)
    std::erase_if(events, [&](uint64_t event) { return store_.weights()[event] == 0; });
  Batch batch = make_batch(store_, events);
  batch.epoch = position.epoch;
  batch.next = after(position);
  return batch;
}

uint64_t BatchLoader::Impl::event_at(int64_t epoch, uint64_t index) const {
  if (!options_.shuffle) return begin_ + index;
  auto length = static_cast<uint64_t>(options_.window);
  uint64_t window = index / length, first = window * length;
  uint64_t key = hash_combine(hash_combine(options_.seed, static_cast<uint64_t>(epoch)), window);
  return begin_ + first + permuted(key, std::min(length, size_ - first), index - first);
}

BatchLoader::BatchLoader(const SampleStore& store, const LoaderOptions& options)
    : impl_(std::make_unique<Impl>(store, options)) {}

BatchLoader::~BatchLoader() = default;

std::optional<Batch> BatchLoader::next() { return impl_->next(); }

int64_t BatchLoader::batches_per_epoch() const { return impl_->batches_; }

}  // namespace lemur
