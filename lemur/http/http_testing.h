// A client of raw sockets for tests of the server.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "lemur/base/error.h"

namespace lemur {

/// A connection to a port of this machine. Reading waits 10 seconds at most.
class TestConnection {
 public:
  explicit TestConnection(uint16_t port)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  }
  ~TestConnection() { ::close(socket_); }
  TestConnection(const TestConnection&) = delete;
  TestConnection& operator=(const TestConnection&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  /// Returns one whole answer, head and body; what came before the end where the server ends first.
  std::string receive() {
    while (true) {
      const size_t head = buffer_.find("\r\n\r\n");
      if (head != std::string::npos) {
        const size_t length = buffer_.find("Content-Length: ");
        const size_t whole =
            head + 4 +
            (length < head ? std::stoul(buffer_.substr(length + 16)) : std::string::npos / 2);
        if (buffer_.size() >= whole) return take(whole);
      }
      char chunk[65536];
      const ssize_t received = ::recv(socket_, chunk, sizeof(chunk), 0);
      if (received <= 0) return take(buffer_.size());
      buffer_.append(chunk, static_cast<size_t>(received));
    }
  }

 private:
  std::string take(size_t size) {
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }

  int socket_;
  std::string buffer_;
};

inline std::string http_post(std::string_view path, std::string_view body,
                             std::string_view headers = "Content-Type: application/json\r\n") {
  return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n{}", path,
                     headers, body.size(), body);
}

inline std::string http_get(std::string_view path, std::string_view headers = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, headers);
}

/// Sends one request on a connection of its own and returns the answer.
inline std::string http_exchange(uint16_t port, std::string_view request) {
  TestConnection connection(port);
  connection.send(request);
  return connection.receive();
}

inline int status_of(const std::string& answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
}

/// Value of a header; empty: it is not there.
inline std::string header_of(const std::string& answer, const std::string& name) {
  const std::string head = answer.substr(0, answer.find("\r\n\r\n") + 2);
  const size_t begin = head.find("\r\n" + name + ": ");
  if (begin == std::string::npos) return "";
  const size_t value = begin + name.size() + 4;
  return head.substr(value, head.find("\r\n", value) - value);
}

inline std::string body_of(const std::string& answer) {
  const size_t head = answer.find("\r\n\r\n");
  return head == std::string::npos ? "" : answer.substr(head + 4);
}

}  // namespace lemur
