#include "lemur/http/listen_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "lemur/base/error.h"

namespace lemur {

ListenAddress parse_listen_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  const auto wrong = [&]() {
    fail<InvalidArgument>("http", "'{}' is no address; expected such as 127.0.0.1:8080 or [::1]:0",
                          text);
  };
  if (colon == std::string_view::npos) wrong();
  const std::string_view port_text = text.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, error] =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || end != port_text.data() + port_text.size()) wrong();

  std::string host(text.substr(0, colon));
  if (host == "localhost") host = "127.0.0.1";
  ListenAddress address;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    auto& ipv6 = reinterpret_cast<sockaddr_in6&>(address.socket_address);
    host = host.substr(1, host.size() - 2);
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    if (inet_pton(AF_INET6, host.c_str(), &ipv6.sin6_addr) != 1) wrong();
    address.is_ipv6 = true;
    address.is_loopback = IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr);
  } else {
    auto& ipv4 = reinterpret_cast<sockaddr_in&>(address.socket_address);
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
    if (inet_pton(AF_INET, host.c_str(), &ipv4.sin_addr) != 1) wrong();
    address.is_loopback = (ntohl(ipv4.sin_addr.s_addr) >> 24) == 127;
  }
  return address;
}

bool is_local_host(std::string_view host, const std::vector<std::string>& names) {
  const size_t bracket = host.find(']'), colon = host.rfind(':');
  std::string name(host);
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || bracket < colon)) {
    if (host.find_first_not_of("0123456789", colon + 1) != std::string_view::npos) return false;
    name.resize(colon);
  }
  const auto is_it = [&](const std::string& known) {
    return strcasecmp(name.c_str(), known.c_str()) == 0;
  };
  in_addr ipv4{};
  in6_addr ipv6{};
  if (inet_pton(AF_INET, name.c_str(), &ipv4) == 1) return (ntohl(ipv4.s_addr) >> 24) == 127;
  if (name.starts_with('[') && name.ends_with(']') &&
      inet_pton(AF_INET6, name.substr(1, name.size() - 2).c_str(), &ipv6) == 1)
    return IN6_IS_ADDR_LOOPBACK(&ipv6);
  return is_it("localhost") || std::ranges::any_of(names, is_it);
}

std::string address_text(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "unknown";
  if (address == nullptr) return text;
  if (address->sa_family == AF_INET)
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text,
              sizeof(text));
  else if (address->sa_family == AF_INET6)
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text,
              sizeof(text));
  return text;
}

}  // namespace lemur
