// The functions that make, connect and end streams.
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "hook/observe/real.h"
#include "hook/observe/streams.h"
#include "hook/observe/writer.h"

namespace reprise::hook {
namespace {

uint8_t transport_of(int family, bool datagram) {
  return family == AF_UNIX ? kUnix : datagram ? kUdp : kTcp;
}

bool recorded_family(int family) {
  return family == AF_INET || family == AF_INET6 || family == AF_UNIX;
}

bool is_datagram(int fd) {
  int type = SOCK_STREAM;
  socklen_t size = sizeof type;
  REPRISE_REAL(getsockopt)(fd, SOL_SOCKET, SO_TYPE, &type, &size);
  return type == SOCK_DGRAM;
}

void after_accept(int fd, const sockaddr* peer, socklen_t peer_size) {
  if (arena() == nullptr || fd < 0) return;
  KeepErrno keep;
  const uint64_t time = now();
  if (!recorded_family(peer->sa_family)) {
    ignore(fd);
    return;
  }
  Slot* s = open_stream(fd, transport_of(peer->sa_family, false), false);
  if (s != nullptr) announce_open(fd, s, kOpenAccept, time, peer, peer_size, 0, false);
}

// The caller may pass no address, or a short one: our own buffer tells us the peer.
template <class Real>
int do_accept(Real real, sockaddr* address, socklen_t* size) {
  sockaddr_storage peer;
  socklen_t peer_size = sizeof peer;
  peer.ss_family = AF_UNSPEC;
  const int fd = real(reinterpret_cast<sockaddr*>(&peer), &peer_size);
  if (fd < 0) return fd;
  if (address != nullptr && size != nullptr) {
    const socklen_t n = peer_size < *size ? peer_size : *size;
    memcpy(address, &peer, n);
    *size = peer_size;
  }
  after_accept(fd, reinterpret_cast<sockaddr*>(&peer), peer_size);
  return fd;
}

void after_connect(int fd, const sockaddr* peer, socklen_t size, int result, uint64_t time) {
  const int error = result == 0 ? 0 : errno;
  if (peer == nullptr || size < sizeof(sa_family_t)) return;
  if (peer->sa_family == AF_UNSPEC) {  // dissolves the association of a datagram socket
    forget(fd);
    return;
  }
  if (!recorded_family(peer->sa_family)) {
    ignore(fd);
    return;
  }
  Slot* known = known_stream_of(fd);
  if (known != nullptr && known->connecting) {  // a second call asks how the first one went
    if (error == EALREADY || error == EINPROGRESS || error == EINTR) return;
    note_connected(fd, known, error == EISCONN ? 0 : error);
    return;
  }
  if (error == EISCONN || error == EBADF || error == ENOTSOCK || error == EFAULT) return;
  const bool datagram = is_datagram(fd);
  if (datagram && peer->sa_family == AF_UNIX) {
    ignore(fd);  // syslog and the like: no answer, no dependency
    return;
  }
  // An interrupted connect goes on behind the caller's back. (EAGAIN, a Unix socket's full backlog,
  // is a refusal.)
  const bool in_progress = error == EINPROGRESS || error == EINTR;
  Slot* s = open_stream(fd, transport_of(peer->sa_family, datagram), datagram);
  if (s == nullptr) return;
  s->connecting = in_progress;
  announce_open(fd, s, kOpenConnect, time, peer, size, in_progress ? 0 : error, in_progress);
  if (error != 0 && !in_progress) forget(fd);
}

}  // namespace
}  // namespace reprise::hook

using namespace reprise::hook;

REPRISE_HOOK(int, socket, (int domain, int type, int protocol)) {
  const int fd = REPRISE_REAL(socket)(domain, type, protocol);
  if (fd >= 0 && arena() != nullptr) {
    KeepErrno keep;
    forget(fd);  // a close that we missed
    if (!recorded_family(domain)) ignore(fd);
  }
  return fd;
}
REPRISE_HOOK(int, socketpair, (int domain, int type, int protocol, int* fds)) {
  const int result = REPRISE_REAL(socketpair)(domain, type, protocol, fds);
  if (result == 0 && arena() != nullptr) {
    KeepErrno keep;
    ignore(fds[0]), ignore(fds[1]);
    __atomic_add_fetch(&g_arena->ignored_streams, 1, __ATOMIC_RELAXED);
  }
  return result;
}
REPRISE_HOOK(int, listen, (int fd, int backlog)) {
  const int result = REPRISE_REAL(listen)(fd, backlog);
  if (result == 0 && arena() != nullptr) {
    KeepErrno keep;
    ListenBody body = {};
    sockaddr_storage local;
    socklen_t size = sizeof local;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0 &&
        recorded_family(local.ss_family)) {
      fill_address(&body.local, reinterpret_cast<sockaddr*>(&local), size);
      body.transport = transport_of(local.ss_family, false);
      put(kRecordListen, static_cast<uint32_t>(fd), now(), &body, sizeof body);
    }
    ignore(fd);
  }
  return result;
}
REPRISE_HOOK(int, accept, (int fd, sockaddr* address, socklen_t* size)) {
  return do_accept([fd](sockaddr* a, socklen_t* n) { return REPRISE_REAL(accept)(fd, a, n); },
                   address, size);
}
REPRISE_HOOK(int, accept4, (int fd, sockaddr* address, socklen_t* size, int flags)) {
  return do_accept(
      [fd, flags](sockaddr* a, socklen_t* n) { return REPRISE_REAL(accept4)(fd, a, n, flags); },
      address, size);
}
REPRISE_HOOK(int, connect, (int fd, const sockaddr* address, socklen_t size)) {
  const uint64_t time = arena() != nullptr ? now() : 0;
  const int result = REPRISE_REAL(connect)(fd, address, size);
  if (time != 0) {
    KeepErrno keep;
    after_connect(fd, address, size, result, time);
  }
  return result;
}
REPRISE_HOOK(int, shutdown, (int fd, int how)) {
  const int result = REPRISE_REAL(shutdown)(fd, how);
  if (result == 0 && arena() != nullptr) {
    KeepErrno keep;
    if (Slot* s = known_stream_of(fd)) {
      StreamBody body = {s->stream, how, 0};
      put(kRecordShutdown, static_cast<uint32_t>(fd), now(), &body, sizeof body);
    }
  }
  return result;
}
REPRISE_HOOK(int, getsockopt, (int fd, int level, int name, void* value, socklen_t* size)) {
  const int result = REPRISE_REAL(getsockopt)(fd, level, name, value, size);
  if (level == SOL_SOCKET && name == SO_ERROR && result == 0 && arena() != nullptr) {
    KeepErrno keep;
    Slot* s = known_stream_of(fd);
    if (s != nullptr && s->connecting && value != nullptr) {
      note_connected(fd, s, *static_cast<int*>(value));
    }
  }
  return result;
}
REPRISE_HOOK(int, getaddrinfo,
             (const char* node, const char* service, const addrinfo* hints, addrinfo** found)) {
  const uint64_t time = arena() != nullptr ? now() : 0;
  const int result = REPRISE_REAL(getaddrinfo)(node, service, hints, found);
  if (time == 0 || node == nullptr) return result;
  KeepErrno keep;
  constexpr size_t kMost = 32;
  IpBody ips[kMost];
  size_t count = 0;
  for (addrinfo* a = result == 0 ? *found : nullptr; a != nullptr && count < kMost;
       a = a->ai_next) {
    IpBody ip = {};
    ip.family = static_cast<uint16_t>(a->ai_family);
    if (a->ai_family == AF_INET) {
      memcpy(ip.bytes, &reinterpret_cast<sockaddr_in*>(a->ai_addr)->sin_addr, 4);
    } else if (a->ai_family == AF_INET6) {
      memcpy(ip.bytes, &reinterpret_cast<sockaddr_in6*>(a->ai_addr)->sin6_addr, 16);
    } else {
      continue;
    }
    if (count > 0 && memcmp(&ips[count - 1], &ip, sizeof ip) == 0)
      continue;  // one for each socket type
    ips[count++] = ip;
  }
  size_t name_size = strnlen(node, 256);
  struct {
    ResolveBody body;
    char name[256];
  } head = {};
  head.body = {result, static_cast<uint16_t>(name_size), static_cast<uint16_t>(count)};
  memcpy(head.name, node, name_size);
  const size_t padded = (name_size + 7) & ~size_t{7};
  put(kRecordResolve, 0, time, &head, sizeof(ResolveBody) + padded, ips, count * sizeof(IpBody));
  return result;
}
