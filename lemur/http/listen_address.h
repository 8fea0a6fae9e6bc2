// Where the server listens.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lemur {

struct ListenAddress {
  sockaddr_storage socket_address = {};
  bool is_ipv6 = false;
  bool is_loopback = false;
};

/// Parses "127.0.0.1:8080", "[::1]:8080" or "localhost:8080"; port 0 takes a free one. Throws
/// InvalidArgument for anything else: names are not looked up.
ListenAddress parse_listen_address(std::string_view text);

/// Says whether a Host header, with or without a port, is this machine's own loopback: localhost,
/// an address of 127.0.0.0/8, [::1]; or one of `names`.
bool is_local_host(std::string_view host, const std::vector<std::string>& names);

/// Returns a peer as text without its port; "unknown" for other families.
std::string address_text(const sockaddr* address);

}  // namespace lemur
