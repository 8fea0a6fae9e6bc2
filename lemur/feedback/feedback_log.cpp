#include "lemur/feedback/feedback_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"

namespace lemur {

FeedbackLog::FeedbackLog(FeedbackLogOptions options, OnCommitted on_committed)
    : options_(std::move(options)), on_committed_(std::move(on_committed)) {
  std::error_code error;
  std::filesystem::create_directories(options_.folder, error);
  if (error)
    fail<DataError>("feedback", "cannot create {}: {}", options_.folder.string(), error.message());
  lock_folder();
  try {
    recover();
  } catch (...) {
    ::close(lock_file_);
    throw;
  }
  committed_ = end_;
  writer_ = std::thread([this] { run(); });
}

FeedbackLog::~FeedbackLog() {
  {
    std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  wake_.notify_all();
  writer_.join();
  ::close(file_);
  ::close(lock_file_);
}

void FeedbackLog::lock_folder() {
  const std::string path = (options_.folder / "lock").string();
  lock_file_ = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (lock_file_ < 0) fail<DataError>("feedback", "cannot open {}: {}", path, std::strerror(errno));
  if (::flock(lock_file_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(lock_file_);
  fail<DataError>("feedback", "{} is written by another process", options_.folder.string());
}

void FeedbackLog::recover() {
  const std::vector<uint32_t> segments = list_segments(options_.folder);
  if (segments.empty()) {
    open_segment(1);
    return;
  }
  cut_tail(segments.back());
  // The newest segments that hold enough IDs, told apart by walking back.
  std::vector<std::vector<uint64_t>> keys;
  size_t num_keys = 0;
  for (auto segment = segments.rbegin();
       segment != segments.rend() && num_keys < options_.recent_ids; ++segment) {
    const MappedFile file(segment_path(options_.folder, *segment));
    std::string_view bytes = file.bytes();
    std::vector<uint64_t>& found = keys.emplace_back();
    while (std::optional<LogRecord> record = read_record(bytes)) {
      found.push_back(record->key);
      bytes.remove_prefix(record->size_bytes);
    }
    if (!bytes.empty())
      fail<DataError>("feedback", "{}: the record at byte {} is damaged",
                      segment_path(options_.folder, *segment).string(),
                      file.bytes().size() - bytes.size());
    num_keys += found.size();
  }
  recovery_.records = num_keys;
  for (auto found = keys.rbegin(); found != keys.rend(); ++found)
    for (uint64_t key : *found) remember(key);
  open_segment(segments.back());
}

void FeedbackLog::cut_tail(uint32_t segment) {
  const std::filesystem::path path = segment_path(options_.folder, segment);
  uint64_t whole = 0;
  {
    const MappedFile file(path);
    std::string_view bytes = file.bytes();
    while (std::optional<LogRecord> record = read_record(bytes))
      bytes.remove_prefix(record->size_bytes);
    recovery_.cut_bytes = bytes.size();
    if (bytes.empty()) return;
    whole = file.bytes().size() - bytes.size();
    write_file_atomically(path.string() + ".torn", bytes);
  }
  std::filesystem::resize_file(path, whole);
  sync_path(path);
}

void FeedbackLog::open_segment(uint32_t segment) {
  const std::string path = segment_path(options_.folder, segment).string();
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) fail<DataError>("feedback", "cannot open {}: {}", path, std::strerror(errno));
  if (file_ >= 0) ::close(file_);
  file_ = file;
  end_ = {segment, static_cast<uint64_t>(::lseek(file_, 0, SEEK_END))};
  sync_path(options_.folder);
}

void FeedbackLog::append(std::vector<FeedbackEvent> events, Done done) {
  {
    std::lock_guard lock(mutex_);
    if (!is_closing_ && num_pending_ + events.size() <= options_.max_pending_events) {
      num_pending_ += events.size();
      pending_.push_back({std::move(events), std::move(done)});
      wake_.notify_one();
      return;
    }
  }
  done({AppendOutcome::Kind::kOverloaded, "too many events wait to be written"});
}

LogPosition FeedbackLog::committed() const {
  std::lock_guard lock(mutex_);
  return committed_;
}

void FeedbackLog::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return is_closing_ || !pending_.empty(); });
    if (pending_.empty()) return;
    std::vector<Append> group = std::move(pending_);
    pending_.clear();
    num_pending_ = 0;
    lock.unlock();
    commit(group);
    lock.lock();
  }
}

void FeedbackLog::commit(std::vector<Append>& group) {
  std::vector<AppendOutcome> outcomes(group.size());
  std::vector<const FeedbackEvent*> fresh;
  std::string error;
  try {
    error = write_group(group, outcomes, fresh);
  } catch (const std::exception& exception) {
    error = exception.what();
  }
  if (error.empty()) {
    {
      std::lock_guard lock(mutex_);
      committed_ = end_;
    }
    if (on_committed_)
      for (const FeedbackEvent* event : fresh) on_committed_(*event);
  }
  for (size_t i = 0; i < group.size(); ++i)
    group[i].done(error.empty() ? outcomes[i] : AppendOutcome{AppendOutcome::Kind::kFailed, error});
}

std::string FeedbackLog::write_group(std::vector<Append>& group,
                                     std::vector<AppendOutcome>& outcomes,
                                     std::vector<const FeedbackEvent*>& fresh) {
  if (is_broken_) return "the log's end could not be restored after a failure: start again";
  if (end_.offset >= options_.segment_bytes) open_segment(end_.segment + 1);
  std::string bytes;
  std::vector<uint64_t> keys;
  std::unordered_set<uint64_t> in_group;
  for (size_t i = 0; i < group.size(); ++i) {
    for (const FeedbackEvent& event : group[i].events) {
      const uint64_t key = hash_bytes(event.id);
      if (known_.contains(key) || !in_group.insert(key).second) {
        ++outcomes[i].duplicates;
        continue;
      }
      append_record(bytes, key, event_to_json(event));
      keys.push_back(key);
      fresh.push_back(&event);
      ++outcomes[i].written;
    }
  }
  if (bytes.empty()) return "";
  std::string error = write_bytes(bytes);
  if (!error.empty()) {
    is_broken_ = ::ftruncate(file_, static_cast<off_t>(end_.offset)) != 0;
    return error;
  }
  end_.offset += bytes.size();
  for (uint64_t key : keys) remember(key);
  return "";
}

std::string FeedbackLog::write_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fmt::format("cannot write the event log: {}", std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  if (::fdatasync(file_) != 0)
    return fmt::format("cannot sync the event log: {}", std::strerror(errno));
  return "";
}

void FeedbackLog::remember(uint64_t key) {
  if (!known_.insert(key).second) return;
  recent_.push_back(key);
  if (recent_.size() <= options_.recent_ids) return;
  known_.erase(recent_.front());
  recent_.pop_front();
}

FeedbackReader::FeedbackReader(std::filesystem::path folder, LogPosition from)
    : folder_(std::move(folder)), position_(from) {}

std::optional<FeedbackEvent> FeedbackReader::next() {
  while (true) {
    const std::string_view rest = std::string_view(buffer_).substr(used_);
    if (std::optional<LogRecord> record = read_record(rest)) {
      FeedbackEvent event = event_from_json(record->payload);
      used_ += record->size_bytes;
      position_.offset += record->size_bytes;
      return event;
    }
    if (!refill()) return std::nullopt;
  }
}

bool FeedbackReader::refill() {
  constexpr size_t kChunk = 1 << 20;
  const std::filesystem::path path = segment_path(folder_, position_.segment);
  // Looked for before the read: once a next one exists, this one grows no more.
  const bool has_next = std::filesystem::exists(segment_path(folder_, position_.segment + 1));
  buffer_.erase(0, used_);
  used_ = 0;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT && position_ == LogPosition{}) return false;
  if (file < 0)
    fail<DataError>("feedback", "cannot open {}: {}", path.string(), std::strerror(errno));
  const off_t size = ::lseek(file, 0, SEEK_END);
  const size_t held = buffer_.size();
  buffer_.resize(held + kChunk);
  const ssize_t read =
      ::pread(file, buffer_.data() + held, kChunk, static_cast<off_t>(position_.offset + held));
  ::close(file);
  buffer_.resize(held + static_cast<size_t>(std::max<ssize_t>(read, 0)));
  if (read < 0)
    fail<DataError>("feedback", "cannot read {}: {}", path.string(), std::strerror(errno));
  if (static_cast<uint64_t>(size) < position_.offset)
    fail<DataError>("feedback", "{} has {} bytes; the position {} lies behind its end",
                    path.string(), size, position_.offset);
  if (read > 0) return true;
  if (!has_next) {
    // What is not whole may be torn and cut off before it is written again: read it anew.
    buffer_.clear();
    return false;
  }
  if (!buffer_.empty())
    fail<DataError>("feedback", "{}: the record at byte {} is damaged", path.string(),
                    position_.offset);
  position_ = {position_.segment + 1, 0};
  return true;
}

}  // namespace lemur
