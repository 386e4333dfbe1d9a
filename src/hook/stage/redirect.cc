// The fallback where namespaces are refused: outbound connections are sent to the mock from inside
// the subject. The decision is the same as the nftables rules' (sandbox/rules.cc): refused; played
// if a recorded dependency; real if local; else the mock, which will call it a miss.
//
// The mock learns the original destination from origin[local port], written before the connect. No
// state is kept for a descriptor: getpeername sees from the kernel's answer that the peer is the
// mock.
//
// Not covered, and said by the replay: static programs, raw system calls, io_uring, and the source
// address of answers to unconnected UDP queries.
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hook/stage/stage.h"

using namespace reprise::stage;

namespace {

constexpr uint16_t kDns = 53;

union AnyAddress {
  sockaddr any;
  sockaddr_in in;
  sockaddr_in6 in6;
  sockaddr_un un;
  sockaddr_storage room;
};

// IPv4 also for a v4-mapped address. False: another family.
bool read_endpoint(const sockaddr* address, socklen_t length, Endpoint& out) {
  out = Endpoint{};
  if (address == nullptr || length < sizeof(sa_family_t)) return false;
  AnyAddress a;
  memcpy(&a, address, length < sizeof a ? length : sizeof a);
  if (a.any.sa_family == AF_INET && length >= sizeof a.in) {
    out.family = kFamilyIp4;
    out.port = ntohs(a.in.sin_port);
    memcpy(out.ip, &a.in.sin_addr, 4);
    return true;
  }
  if (a.any.sa_family != AF_INET6 || length < offsetof(sockaddr_in6, sin6_scope_id)) return false;
  const bool mapped = IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr);
  out.family = mapped ? kFamilyIp4 : kFamilyIp6;
  out.port = ntohs(a.in6.sin6_port);
  memcpy(out.ip, a.in6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
  return true;
}

// `e` as an address for a socket of `family`, which is AF_INET6 for v4-mapped ones too.
socklen_t write_address(const Endpoint& e, int family, AnyAddress& out) {
  memset(&out, 0, sizeof out);
  if (family == AF_INET) {
    out.in.sin_family = AF_INET;
    out.in.sin_port = htons(e.port);
    memcpy(&out.in.sin_addr, e.ip, 4);
    return sizeof out.in;
  }
  out.in6.sin6_family = AF_INET6;
  out.in6.sin6_port = htons(e.port);
  uint8_t* ip = out.in6.sin6_addr.s6_addr;
  if (e.family == kFamilyIp4) {
    ip[10] = ip[11] = 0xff;
    memcpy(ip + 12, e.ip, 4);
  } else {
    memcpy(ip, e.ip, 16);
  }
  return sizeof out.in6;
}

Endpoint loopback(uint8_t family, uint16_t port) {
  Endpoint e{};
  e.family = family;
  e.port = port;
  if (family == kFamilyIp4) {
    e.ip[0] = 127, e.ip[3] = 1;
  } else {
    e.ip[15] = 1;
  }
  return e;
}

bool same_ip(const Endpoint& a, const Endpoint& b) {
  return a.family == b.family && memcmp(a.ip, b.ip, a.family == kFamilyIp4 ? 4 : 16) == 0;
}

bool in_table(const Endpoint* table, uint32_t count, uint32_t most, const Endpoint& e, bool port) {
  for (uint32_t i = 0; i < count && i < most; ++i)
    if (same_ip(table[i], e) && (!port || table[i].port == e.port)) return true;
  return false;
}

bool is_refused(const Endpoint& e) {
  const Page* p = page();
  // The replay changes the table between sessions; a few tries are plenty.
  for (int i = 0; i < 100; ++i) {
    const uint32_t turn = __atomic_load_n(&p->refused_turn, __ATOMIC_ACQUIRE);
    if (turn & 1) continue;
    const bool found = in_table(p->refused, p->refused_count, kMaxRefused, e, true);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&p->refused_turn, __ATOMIC_RELAXED) == turn) return found;
  }
  return false;
}

bool is_local(const Endpoint& e) {
  static const uint8_t any[16] = {};
  if (e.family == kFamilyIp4 && e.ip[0] == 127) return true;
  if (same_ip(e, loopback(kFamilyIp6, 0))) return true;
  if (memcmp(e.ip, any, e.family == kFamilyIp4 ? 4 : 16) == 0) return true;
  const Page* p = page();
  return in_table(p->local, p->local_count, kMaxLocal, e, false);
}

int fail_with(int error) {
  errno = error;
  return -1;
}

int option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  const int kept = errno;
  if (getsockopt(fd, SOL_SOCKET, name, &value, &size) != 0) value = -1;
  errno = kept;
  return value;
}

// The mock's listener for a destination of this family.
Endpoint mock_for(const Endpoint& e) {
  const Page* p = page();
  return loopback(e.family, e.family == kFamilyIp4 ? p->tcp_port : p->tcp6_port);
}

int connect_to_mock(int fd, const Endpoint& wanted) {
  const int family = option(fd, SO_DOMAIN);
  AnyAddress own;
  socklen_t size = sizeof own;
  Endpoint bound;
  if (getsockname(fd, &own.any, &size) != 0) return -1;
  // The local port must be known before the mock can see the connection.
  if (!read_endpoint(&own.any, size, bound) || bound.port == 0) {
    size = write_address(loopback(wanted.family, 0), family, own);
    if (bind(fd, &own.any, size) != 0) return -1;
    size = sizeof own;
    if (getsockname(fd, &own.any, &size) != 0 || !read_endpoint(&own.any, size, bound)) return -1;
  }
  Endpoint* slot = &page()->origin[bound.port];
  __atomic_store_n(&slot->valid, 0, __ATOMIC_RELAXED);
  memcpy(slot->ip, wanted.ip, 16);
  slot->port = wanted.port;
  slot->family = wanted.family;
  __atomic_store_n(&slot->valid, 1, __ATOMIC_RELEASE);
  AnyAddress to;
  size = write_address(mock_for(wanted), family, to);
  return STAGE_REAL(connect)(fd, &to.any, size);
}

Endpoint dns_for(const Endpoint& e) {
  const Page* p = page();
  return loopback(e.family, e.family == kFamilyIp4 ? p->dns_port : p->dns6_port);
}

int connect_unix(int fd, const sockaddr* address, socklen_t length) {
  AnyAddress a{};
  memcpy(&a, address, length < sizeof a ? length : sizeof a);
  const Page* p = page();
  for (uint32_t i = 0; i < p->unix_count && i < kMaxUnix; ++i) {
    const UnixAlias& u = p->unix_aliases[i];
    // '@' stands for the leading zero of an abstract name.
    const char first = a.un.sun_path[0] == 0 ? '@' : a.un.sun_path[0];
    if (first != u.path[0] || strncmp(a.un.sun_path + 1, u.path + 1, kUnixPathSize - 1) != 0)
      continue;
    AnyAddress to{};
    to.un.sun_family = AF_UNIX;
    const size_t size = strnlen(u.alias, kUnixPathSize - 1);
    memcpy(to.un.sun_path + 1, u.alias, size);
    return STAGE_REAL(connect)(fd, &to.any,
                               static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size));
  }
  return STAGE_REAL(connect)(fd, address, length);
}

// For datagrams: true if `to` was replaced, or must not be sent to (then `refused`).
bool redirect_datagram(int fd, const sockaddr* address, socklen_t length, AnyAddress& to,
                       socklen_t& size, bool& refused) {
  Endpoint wanted;
  refused = false;
  if (!redirects() || !read_endpoint(address, length, wanted)) return false;
  if (wanted.port == kDns) {
    size = write_address(dns_for(wanted), option(fd, SO_DOMAIN), to);
    return true;
  }
  refused = !is_local(wanted);
  return refused;
}

// Points this thread's resolver at the mock. glibc's own queries do not pass through our connect.
void point_resolver() {
  if (!redirects()) return;
  const int kept = errno;
  if ((_res.options & RES_INIT) != 0 || res_init() == 0) {
    _res.nscount = 1;
    AnyAddress to;
    write_address(loopback(kFamilyIp4, page()->dns_port), AF_INET, to);
    _res.nsaddr_list[0] = to.in;
  }
  errno = kept;
}

}  // namespace

STAGE_EXPORT int connect(int fd, const sockaddr* address, socklen_t length) {
  auto* real = STAGE_REAL(connect);
  if (!redirects() || address == nullptr || length < sizeof(sa_family_t))
    return real(fd, address, length);
  if (address->sa_family == AF_UNIX) return connect_unix(fd, address, length);
  Endpoint wanted;
  if (!read_endpoint(address, length, wanted)) return real(fd, address, length);
  const int type = option(fd, SO_TYPE);
  if (type == SOCK_STREAM) {
    if (is_refused(wanted)) return fail_with(ECONNREFUSED);
    const Page* p = page();
    const bool played =
        in_table(p->dependencies, p->dependency_count, kMaxDependencies, wanted, true);
    if (!played && is_local(wanted)) return real(fd, address, length);
    return connect_to_mock(fd, wanted);
  }
  if (type < 0) return real(fd, address, length);  // sets the right errno
  AnyAddress to;
  socklen_t size;
  bool refused;
  if (!redirect_datagram(fd, address, length, to, size, refused)) return real(fd, address, length);
  return refused ? fail_with(ENETUNREACH) : real(fd, &to.any, size);
}

STAGE_EXPORT int getpeername(int fd, sockaddr* out, socklen_t* length) noexcept {
  const socklen_t room = length == nullptr ? 0 : *length;
  const int result = STAGE_REAL(getpeername)(fd, out, length);
  if (result != 0 || !redirects()) return result;
  AnyAddress peer, own;
  socklen_t size = sizeof peer, own_size = sizeof own;
  Endpoint seen, self;
  if (STAGE_REAL(getpeername)(fd, &peer.any, &size) != 0 || !read_endpoint(&peer.any, size, seen) ||
      !same_ip(seen, mock_for(seen)) || seen.port != mock_for(seen).port ||
      getsockname(fd, &own.any, &own_size) != 0 || !read_endpoint(&own.any, own_size, self))
    return result;
  const Endpoint origin = page()->origin[self.port];
  if (origin.valid == 0) return result;
  size = write_address(origin, peer.any.sa_family, peer);
  memcpy(out, &peer, size < room ? size : room);
  *length = size;
  return result;
}

STAGE_EXPORT ssize_t sendto(int fd, const void* data, size_t size, int flags,
                            const sockaddr* address, socklen_t length) {
  auto* real = STAGE_REAL(sendto);
  if (address == nullptr || !redirects()) return real(fd, data, size, flags, address, length);
  if (option(fd, SO_TYPE) == SOCK_STREAM) {
    // TCP fast open would connect past us; the caller falls back to connect.
    if ((flags & MSG_FASTOPEN) != 0) return fail_with(EOPNOTSUPP);
    return real(fd, data, size, flags, address, length);
  }
  AnyAddress to;
  socklen_t to_size;
  bool refused;
  if (!redirect_datagram(fd, address, length, to, to_size, refused))
    return real(fd, data, size, flags, address, length);
  return refused ? fail_with(ENETUNREACH) : real(fd, data, size, flags, &to.any, to_size);
}

STAGE_EXPORT ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  auto* real = STAGE_REAL(sendmsg);
  if (!redirects() || message == nullptr || message->msg_name == nullptr)
    return real(fd, message, flags);
  if (option(fd, SO_TYPE) == SOCK_STREAM)
    return (flags & MSG_FASTOPEN) != 0 ? fail_with(EOPNOTSUPP) : real(fd, message, flags);
  AnyAddress to;
  bool refused;
  msghdr changed = *message;
  if (!redirect_datagram(fd, static_cast<const sockaddr*>(message->msg_name), message->msg_namelen,
                         to, changed.msg_namelen, refused))
    return real(fd, message, flags);
  changed.msg_name = &to;
  return refused ? fail_with(ENETUNREACH) : real(fd, &changed, flags);
}

STAGE_EXPORT int getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                             addrinfo** out) {
  auto* real = STAGE_REAL(getaddrinfo);
  if (!redirects()) return real(node, service, hints, out);
  point_resolver();
  if (hints == nullptr) return real(node, service, hints, out);
  // Without an interface but lo, glibc would drop every answer.
  addrinfo all = *hints;
  all.ai_flags &= ~AI_ADDRCONFIG;
  return real(node, service, &all, out);
}

STAGE_EXPORT hostent* gethostbyname(const char* name) {
  point_resolver();
  return STAGE_REAL(gethostbyname)(name);
}
STAGE_EXPORT hostent* gethostbyname2(const char* name, int family) {
  point_resolver();
  return STAGE_REAL(gethostbyname2)(name, family);
}
STAGE_EXPORT int gethostbyname_r(const char* name, hostent* result, char* buffer, size_t size,
                                 hostent** out, int* error) {
  point_resolver();
  return STAGE_REAL(gethostbyname_r)(name, result, buffer, size, out, error);
}
STAGE_EXPORT int gethostbyname2_r(const char* name, int family, hostent* result, char* buffer,
                                  size_t size, hostent** out, int* error) {
  point_resolver();
  return STAGE_REAL(gethostbyname2_r)(name, family, result, buffer, size, out, error);
}
