#include "lemur/serving/checkpoint_watcher.h"

#include <ATen/Parallel.h>
#include <malloc.h>
#include <omp.h>
#include <sched.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>

// Of tcmalloc, where the program is linked with it.
extern "C" __attribute__((weak)) void MallocExtension_ReleaseToSystem(size_t bytes);

namespace lemur {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// Makes this thread compute alone and yield to those that answer. To the scheduler a core that
/// runs nothing but it is free: those that answer are woken there and take over at once, where a
/// thread of the lowest priority counts as busy and keeps the core for its slice. Beside programs
/// that fill all cores a model takes longer to load, not a request to be answered.
void step_back() {
  at::get_num_threads();  // initialises this thread, which would otherwise forget what follows
  omp_set_num_threads(1);
  const sched_param none{};
  if (::sched_setscheduler(/*this thread*/ 0, SCHED_IDLE, &none) != 0)
    spdlog::warn("models are loaded at the priority of requests: {}", std::strerror(errno));
}

/// Gives the system back what a model of that size held, in pieces: the heap is locked meanwhile.
void release_memory(int64_t bytes) {
  constexpr int64_t kPiece = 1 << 20;
  if (MallocExtension_ReleaseToSystem == nullptr) {
    ::malloc_trim(0);
    return;
  }
  for (; bytes > 0; bytes -= kPiece) MallocExtension_ReleaseToSystem(kPiece);
}

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
  const auto begin = Clock::now();
  std::shared_ptr<Snapshot> snapshot = load_snapshot(run_, checkpoint, options_.snapshot);
  const double load_ms = ms_since(begin);
  predictor_.warm(*snapshot);
  const double ready_ms = ms_since(begin);
  const int64_t bytes = snapshot->size_bytes;
  predictor_.publish(std::move(snapshot));
  release_memory(bytes);
  spdlog::info("serving {}, loaded in {:.0f} ms and warmed in {:.0f} ms",
               checkpoint.filename().string(), load_ms, ready_ms - load_ms);
}

/// Returns the checkpoint that should be answering; empty where none is there.
std::filesystem::path CheckpointWatcher::candidate() const {
  if (options_.checkpoint == "best")
    if (const auto step = run_.best()) return run_.checkpoint(*step);
  const auto steps = run_.checkpoints();
  return steps.empty() ? std::filesystem::path() : run_.checkpoint(steps.back());
}

void CheckpointWatcher::run() {
  step_back();
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
      }
    } catch (const std::exception& error) {
      spdlog::error("{}", error.what());
      predictor_.report_load_failure(error.what());
    }
    lock.lock();
  }
}

}  // namespace lemur
