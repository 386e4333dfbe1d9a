#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstddef>
#include <cstring>

namespace reprise {
namespace {

std::string text_of(int family, const void* bytes) {
  char out[INET6_ADDRSTRLEN] = {};
  inet_ntop(family, bytes, out, sizeof out);
  return out;
}

Address from_in6(const in6_addr& ip, uint16_t port) {
  if (IN6_IS_ADDR_V4MAPPED(&ip)) return {Address::kIp4, text_of(AF_INET, ip.s6_addr + 12), port};
  return {Address::kIp6, text_of(AF_INET6, &ip), port};
}

Result<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size())
    return fail(fmt::format("not a port: '{}'", text));
  return port;
}

}  // namespace

bool Address::is_loopback() const {
  return (family == kIp4 && ip_or_path.starts_with("127.")) ||
         (family == kIp6 && ip_or_path == "::1");
}

bool Address::is_any() const {
  return (family == kIp4 && ip_or_path == "0.0.0.0") || (family == kIp6 && ip_or_path == "::");
}

std::string to_string(const Address& a) {
  switch (a.family) {
    case Address::kIp4:
      return fmt::format("{}:{}", a.ip_or_path, a.port);
    case Address::kIp6:
      return fmt::format("[{}]:{}", a.ip_or_path, a.port);
    case Address::kUnix:
      break;
  }
  return "unix:" + a.ip_or_path;
}

Result<Address> ip_address(std::string_view ip, uint16_t port) {
  const std::string text(ip);
  in_addr v4;
  in6_addr v6;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1)
    return Address{Address::kIp4, text_of(AF_INET, &v4), port};
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return from_in6(v6, port);
  return fail(fmt::format("not an IP address: '{}'", ip));
}

Address unix_address(std::string path) { return {Address::kUnix, std::move(path), 0}; }

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with("unix:")) {
    if (text.size() == 5) return fail("empty Unix path");
    return unix_address(std::string(text.substr(5)));
  }
  if (text.starts_with("/")) return unix_address(std::string(text));
  const size_t colon = text.rfind(':');
  if (colon == text.npos)
    return fail(fmt::format("no port in '{}'", text), "write 127.0.0.1:80, [::1]:80 or unix:/path");
  std::string_view host = text.substr(0, colon);
  REPRISE_ASSIGN(const uint16_t port, parse_port(text.substr(colon + 1)));
  if (host.starts_with("[") && host.ends_with("]")) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != host.npos) {
    return fail(fmt::format("IPv6 without brackets: '{}'", text), "write [::1]:80");
  }
  return ip_address(host, port);
}

Result<SockAddr> SockAddr::from(const Address& a) {
  SockAddr out;
  if (a.family == Address::kUnix) {
    auto* un = reinterpret_cast<sockaddr_un*>(&out.storage_);
    un->sun_family = AF_UNIX;
    const bool abstract = a.ip_or_path.starts_with('@');
    const size_t size = a.ip_or_path.size() + (abstract ? 0 : 1);
    if (a.ip_or_path.empty() || size > sizeof un->sun_path)
      return fail(fmt::format("Unix path of {} bytes: '{}'", a.ip_or_path.size(), a.ip_or_path));
    std::memcpy(un->sun_path, a.ip_or_path.data(), a.ip_or_path.size());
    if (abstract) un->sun_path[0] = 0;
    out.length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
    return out;
  }
  if (a.family == Address::kIp4) {
    auto* in = reinterpret_cast<sockaddr_in*>(&out.storage_);
    in->sin_family = AF_INET;
    in->sin_port = htons(a.port);
    out.length_ = sizeof *in;
    if (inet_pton(AF_INET, a.ip_or_path.c_str(), &in->sin_addr) == 1) return out;
  } else {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&out.storage_);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a.port);
    out.length_ = sizeof *in6;
    if (inet_pton(AF_INET6, a.ip_or_path.c_str(), &in6->sin6_addr) == 1) return out;
  }
  return fail(fmt::format("not an IP address: '{}'", a.ip_or_path));
}

Result<Address> from_sockaddr(const sockaddr* address, socklen_t length) {
  if (length < sizeof(sa_family_t)) return fail("socket address without a family");
  if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof in);
    return Address{Address::kIp4, text_of(AF_INET, &in.sin_addr), ntohs(in.sin_port)};
  }
  if (address->sa_family == AF_INET6 && length >= offsetof(sockaddr_in6, sin6_scope_id)) {
    sockaddr_in6 in6{};
    std::memcpy(&in6, address, offsetof(sockaddr_in6, sin6_scope_id));
    return from_in6(in6.sin6_addr, ntohs(in6.sin6_port));
  }
  if (address->sa_family == AF_UNIX) {
    const char* path = reinterpret_cast<const char*>(address) + offsetof(sockaddr_un, sun_path);
    size_t size =
        length > offsetof(sockaddr_un, sun_path) ? length - offsetof(sockaddr_un, sun_path) : 0;
    if (size == 0) return unix_address("");
    if (path[0] == 0) return unix_address("@" + std::string(path + 1, size - 1));
    return unix_address(std::string(path, strnlen(path, size)));
  }
  return fail(fmt::format("socket address of family {}", address->sa_family));
}

}  // namespace reprise
