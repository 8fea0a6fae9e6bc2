#include "lemur/http/connection_watch.h"

#include <sys/socket.h>

#include <string_view>

namespace lemur {
namespace {

constexpr int64_t kNever = 0, kCut = -1;
constexpr std::chrono::milliseconds kInterval(100);
constexpr std::string_view kTimeout =
    "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nConnection: close\r\n"
    "Content-Length: 86\r\n\r\n"
    R"({"error":{"code":"request_timeout","message":"the request took too long to arrive."}})"
    "\n";

int64_t steady_nanoseconds() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

bool WatchedConnection::set_deadline(int64_t deadline) {
  int64_t old = deadline_.load();
  while (old != kCut)
    if (deadline_.compare_exchange_weak(old, deadline)) return true;
  return false;
}

bool WatchedConnection::expect_within(std::chrono::milliseconds limit) {
  return set_deadline(steady_nanoseconds() + std::chrono::nanoseconds(limit).count());
}

bool WatchedConnection::let_be() { return set_deadline(kNever); }

void WatchedConnection::cut_if_late(int64_t now) {
  int64_t deadline = deadline_.load();
  if (deadline == kNever || deadline == kCut || deadline > now) return;
  if (!deadline_.compare_exchange_strong(deadline, kCut)) return;
  if (is_owed_) ::send(socket_, kTimeout.data(), kTimeout.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(socket_, SHUT_RDWR);
}

ConnectionWatch::ConnectionWatch() : thread_([this] { run(); }) {}

ConnectionWatch::~ConnectionWatch() {
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  for (WatchedConnection* connection : connections_) delete connection;
}

WatchedConnection* ConnectionWatch::add(int socket) {
  auto connection = std::make_unique<WatchedConnection>(socket);
  std::lock_guard lock(mutex_);
  connections_.insert(connection.get());
  return connection.release();
}

void ConnectionWatch::remove(WatchedConnection* connection) {
  std::lock_guard lock(mutex_);
  if (connections_.erase(connection) > 0) delete connection;
}

void ConnectionWatch::run() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kInterval, [this] { return is_stopping_; })) {
    const int64_t now = steady_nanoseconds();
    for (WatchedConnection* connection : connections_) connection->cut_if_late(now);
  }
}

}  // namespace lemur
