// A place a socket can be bound to or connected to: IPv4, IPv6 or a Unix path. Text forms:
// 10.0.0.1:80, [::1]:80, unix:/run/x.sock, unix:@abstract. A v4-mapped IPv6 address is IPv4 here.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace reprise {

struct Address {
  enum Family : uint8_t { kIp4, kIp6, kUnix };
  Family family = kIp4;
  std::string ip_or_path;  // canonical text of the address, or the path ('@' first: abstract)
  uint16_t port = 0;       // host order; 0 for Unix

  auto operator<=>(const Address&) const = default;
  bool is_loopback() const;  // 127.0.0.0/8 or ::1
  bool is_any() const;       // 0.0.0.0 or ::
};

std::string to_string(const Address& address);
// Any of the text forms; also a bare absolute path, taken as Unix. Names are not resolved.
Result<Address> parse_address(std::string_view text);
// ip is taken in any spelling inet_pton accepts; an IPv6 zone (%eth0) is refused.
Result<Address> ip_address(std::string_view ip, uint16_t port);
Address unix_address(std::string path);

// The kernel's form. length() counts an abstract name exactly.
class SockAddr {
 public:
  SockAddr() = default;
  static Result<SockAddr> from(const Address& address);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage_); }
  socklen_t length() const { return length_; }
  // For accept, getsockname and friends: the room, then what the kernel filled in.
  socklen_t* room() { return &(length_ = sizeof storage_); }

 private:
  sockaddr_storage storage_{};
  socklen_t length_ = sizeof storage_;
};

// Fails for other families. An unnamed Unix socket has an empty path.
Result<Address> from_sockaddr(const sockaddr* address, socklen_t length);

}  // namespace reprise
