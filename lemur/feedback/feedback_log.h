// The event log: feedback appended durably, many requests to one sync, and read back in order.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "lemur/base/folder.h"
#include "lemur/feedback/event_segments.h"
#include "lemur/feedback/feedback_event.h"

namespace lemur {

struct FeedbackLogOptions {
  std::filesystem::path folder;
  size_t recent_ids = 1 << 20;          ///< newest IDs that duplicates are told by
  uint64_t segment_bytes = 64 << 20;    ///< a file is closed once it has as many
  size_t max_pending_events = 100'000;  ///< more are refused
};

/// What became of an append.
struct AppendOutcome {
  enum class Kind {
    kCommitted,   ///< every event is on disk
    kOverloaded,  ///< too many wait; nothing was written
    kFailed,      ///< the disk refused; nothing was written, `message` says why
  };
  Kind kind = Kind::kCommitted;
  std::string message = {};
  size_t written = 0;     ///< events that are new
  size_t duplicates = 0;  ///< events that the log had already
};

/// What opening found.
struct LogRecovery {
  uint64_t records = 0;    ///< whole ones, of the segments that were read for their IDs
  uint64_t cut_bytes = 0;  ///< torn end of the newest segment, moved to "<segment>.torn"
};

/// Appends events to segments of a folder, by one thread of its own. All members may be called from
/// any thread. One process writes a folder at a time.
class FeedbackLog {
 public:
  using OnCommitted = std::function<void(const FeedbackEvent&)>;
  using Done = std::function<void(const AppendOutcome&)>;

  /// Opens or creates the folder and cuts off what a crash left torn. `on_committed` is told of
  /// each new event in the log's order, after it is on disk and before its append is answered; it
  /// must not throw. Throws DataError where that is impossible or another process writes the
  /// folder.
  explicit FeedbackLog(FeedbackLogOptions options, OnCommitted on_committed = {});
  /// Commits what waits.
  ~FeedbackLog();
  FeedbackLog(const FeedbackLog&) = delete;
  FeedbackLog& operator=(const FeedbackLog&) = delete;

  /// Answers through `done`, from any thread, once the events are on disk or cannot be. All of them
  /// are written or none. Each needs an ID.
  void append(std::vector<FeedbackEvent> events, Done done);

  const LogRecovery& recovery() const { return recovery_; }
  /// Returns the end of what is on disk.
  LogPosition committed() const;

 private:
  struct Append {
    std::vector<FeedbackEvent> events;
    Done done;
  };

  void lock_folder();
  void recover();
  void cut_tail(uint32_t segment);
  void open_segment(uint32_t segment);
  void run();
  void commit(std::vector<Append>& group);
  std::string write_group(std::vector<Append>& group, std::vector<AppendOutcome>& outcomes,
                          std::vector<const FeedbackEvent*>& fresh);
  std::string write_bytes(std::string_view bytes);
  void remember(uint64_t key);

  const FeedbackLogOptions options_;
  const OnCommitted on_committed_;
  LogRecovery recovery_;
  int lock_file_ = -1;

  // The writer's own.
  int file_ = -1;
  LogPosition end_;
  bool is_broken_ = false;  // the end of the file could not be restored
  std::deque<uint64_t> recent_;
  std::unordered_set<uint64_t> known_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::vector<Append> pending_;
  size_t num_pending_ = 0;
  LogPosition committed_;
  bool is_closing_ = false;
  std::thread writer_;
};

/// Reads a log in order, also while it is written. Not thread-safe. It may return an event that is
/// written but not yet synced, which a crash of the machine can take back.
class FeedbackReader {
 public:
  /// Starts at a position that position() returned; the default is the log's begin.
  explicit FeedbackReader(std::filesystem::path folder, LogPosition from = {});

  /// Returns the next event; nothing at the end, where a later call may find more. Throws DataError
  /// where a segment that another one follows is damaged, or the position lies behind the end.
  std::optional<FeedbackEvent> next();

  /// Returns the place behind the last event that next() returned.
  LogPosition position() const { return position_; }

 private:
  bool refill();

  std::filesystem::path folder_;
  LogPosition position_;
  std::string buffer_;  // bytes of the segment from `position_ - used_` on
  size_t used_ = 0;
};

}  // namespace lemur
