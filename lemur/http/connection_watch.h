// Cuts clients that take too long over a request or over reading its answer.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_set>

namespace lemur {

/// A socket and the moment at which it is shut. All members may be called from any thread.
class WatchedConnection {
 public:
  explicit WatchedConnection(int socket) : socket_(socket) {}

  /// Sets the moment anew. Returns false once the connection has been cut.
  bool expect_within(std::chrono::milliseconds limit);
  /// Lets it be until the next expect_within(). Returns false once the connection has been cut.
  bool let_be();
  /// While set, a client that is cut gets 408 first: it is owed an answer and none has begun.
  void set_owed(bool owed) { is_owed_ = owed; }

 private:
  friend class ConnectionWatch;
  bool set_deadline(int64_t deadline);
  void cut_if_late(int64_t now);

  const int socket_;
  std::atomic<int64_t> deadline_{0};  // steady nanoseconds; 0: none, -1: cut
  std::atomic<bool> is_owed_ = false;
};

/// Looks at all connections several times a second, on a thread of its own.
class ConnectionWatch {
 public:
  ConnectionWatch();
  ~ConnectionWatch();
  ConnectionWatch(const ConnectionWatch&) = delete;
  ConnectionWatch& operator=(const ConnectionWatch&) = delete;

  /// Watches an open socket until remove(), which must come before it is closed.
  WatchedConnection* add(int socket);
  void remove(WatchedConnection* connection);

 private:
  void run();

  std::mutex mutex_;  // guards connections_ and is_stopping_
  std::condition_variable wake_;
  std::unordered_set<WatchedConnection*> connections_;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace lemur
