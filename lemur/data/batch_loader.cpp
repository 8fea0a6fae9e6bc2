#include "lemur/data/batch_loader.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/data/request_draw.h"
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
  at_least("negatives_per_request", options.negatives_per_request, 0);
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
  uint64_t shuffled(int64_t epoch, uint64_t index) const;
  LoaderPosition after(LoaderPosition position) const;

  const SampleStore& store_;
  const LoaderOptions options_;
  std::optional<RequestDraw> requests_;   // of Order::kRequests
  uint64_t begin_ = 0;                    // of the split
  uint64_t size_ = 0;                     // items of an epoch: events of the split, or requests
  uint64_t batch_size_ = 0, window_ = 0;  // in items
  int64_t batches_ = 0;                   // per epoch

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
  batch_size_ = static_cast<uint64_t>(options.batch_size);
  window_ = static_cast<uint64_t>(options.window);
  if (options.order == LoaderOptions::Order::kRequests) {
    const double events = static_cast<double>(size_);
    requests_.emplace(store, split, options.negatives_per_request, options.seed);
    size_ = requests_->num_groups();
    const auto in_requests = [&](int64_t impressions, double per_epoch) {
      const double of_one = per_epoch / static_cast<double>(std::max<uint64_t>(size_, 1));
      return static_cast<uint64_t>(
          std::max(1.0, std::round(static_cast<double>(impressions) / std::max(of_one, 1e-9))));
    };
    batch_size_ = in_requests(options.batch_size, requests_->num_drawn());
    window_ = in_requests(options.window, events);
  }
  batches_ = static_cast<int64_t>(size_ / batch_size_ + (size_ % batch_size_ != 0));
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
  const uint64_t first = static_cast<uint64_t>(position.batch) * batch_size_,
                 count = std::min(batch_size_, size_ - first);
  std::vector<uint64_t> events;
  std::vector<float> log_odds_shift;
  for (uint64_t i = first; i < first + count; ++i) {
    const uint64_t item =
        options_.order == LoaderOptions::Order::kTime ? i : shuffled(position.epoch, i);
    if (requests_)
      requests_->append(item, position.epoch, events, log_odds_shift);
    else
      events.push_back(begin_ + item);
  }
  if (options_.only_weighted && !requests_)
    std::erase_if(events, [&](uint64_t event) { return store_.weights()[event] == 0; });
  Batch batch = make_batch(store_, events);
  if (std::ranges::any_of(log_odds_shift, [](float shift) { return shift != 0; }))
    batch.log_odds_shift = std::move(log_odds_shift);
  batch.epoch = position.epoch;
  batch.next = after(position);
  return batch;
}

/// Returns the item at a place of the epoch's order.
uint64_t BatchLoader::Impl::shuffled(int64_t epoch, uint64_t index) const {
  const uint64_t window = index / window_, first = window * window_;
  uint64_t key = hash_combine(hash_combine(options_.seed, static_cast<uint64_t>(epoch)), window);
  return first + permuted(key, std::min(window_, size_ - first), index - first);
}

BatchLoader::BatchLoader(const SampleStore& store, const LoaderOptions& options)
    : impl_(std::make_unique<Impl>(store, options)) {}

BatchLoader::~BatchLoader() = default;

std::optional<Batch> BatchLoader::next() { return impl_->next(); }

int64_t BatchLoader::batches_per_epoch() const { return impl_->batches_; }

}  // namespace lemur
