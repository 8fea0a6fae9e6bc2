// Where the server listens.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace lemur {

struct ListenAddress {
  sockaddr_storage socket_address = {};
  bool is_ipv6 = false;
  bool is_loopback = false;
};

/// Parses "127.0.0.1:8080", "[::1]:8080" or "localhost:8080"; port 0 takes a free one. Throws
/// InvalidArgument for anything else: names are not looked up.
ListenAddress parse_listen_address(std::string_view text);

/// Returns a peer as text without its port; "unknown" for other families.
std::string address_text(const sockaddr* address);

}  // namespace lemur
