#include "lemur/serving/checkpoint_watcher.h"

#include <ATen/Parallel.h>
#include <omp.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <exception>

namespace lemur {
namespace {

constexpr int kLowPriority = 19;

}  // namespace

CheckpointWatcher::CheckpointWatcher(RunFolder run, Predictor& predictor, WatcherOptions options)
    : run_(std::move(run)), predictor_(predictor), options_(std::move(options)) {
  std::vector<std::string> skipped;
  seen_ = run_.choose(options_.checkpoint, &skipped);
  for (const std::string& line : skipped) spdlog::warn("skipped: {}", line);
  load(seen_);
  thread_ = std::thread([this] { this->run(); });
}

CheckpointWatcher::~CheckpointWatcher() {
  {
    std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void CheckpointWatcher::load(const std::filesystem::path& checkpoint) {
  std::shared_ptr<Snapshot> snapshot = load_snapshot(run_, checkpoint, options_.snapshot);
  predictor_.warm(*snapshot);
  predictor_.publish(std::move(snapshot));
}

/// Returns the checkpoint that should be answering; empty where none is there.
std::filesystem::path CheckpointWatcher::candidate() const {
  if (options_.checkpoint == "best")
    if (const auto step = run_.best()) return run_.checkpoint(*step);
  const auto steps = run_.checkpoints();
  return steps.empty() ? std::filesystem::path() : run_.checkpoint(steps.back());
}

void CheckpointWatcher::run() {
  // One core at most, and only what the thread that answers leaves.
  at::get_num_threads();  // initialises this thread, which would otherwise forget what follows
  omp_set_num_threads(1);
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kLowPriority);
  const bool is_fixed = options_.checkpoint != "best" && options_.checkpoint != "newest";
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::duration<double>(options_.poll_seconds),
                         [&] { return is_closing_; })) {
    if (is_fixed) continue;
    lock.unlock();
    std::filesystem::path found;
    try {
      found = candidate();
      if (!found.empty() && found != seen_) {
        seen_ = found;
        load(found);
        spdlog::info("serving {}", found.filename().string());
      }
    } catch (const std::exception& error) {
      spdlog::error("{}", error.what());
      predictor_.report_load_failure(error.what());
    }
    lock.lock();
  }
}

}  // namespace lemur
