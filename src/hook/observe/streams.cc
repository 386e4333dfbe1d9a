// Two tables, mapped once, reserved and not committed: fd -> slot index, and the slots. A slot
// starts its search at the descriptor's own number, so that the two nearly always agree.
//
// Missed closes are expected (a raw close system call): accept, connect and socket overwrite
// whatever an fd was before.
#include "hook/observe/streams.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "hook/observe/real.h"
#include "hook/observe/writer.h"

namespace reprise::hook {

namespace {

constexpr uint32_t kUnknown = 0;
constexpr uint32_t kIgnored = 0xffffffff;

uint32_t* g_fds;  // kUnknown, kIgnored, or slot index + 1
Slot* g_slots;
uint32_t g_size;

void* reserve_table(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

bool in_table(int fd) { return fd >= 0 && static_cast<uint32_t>(fd) < g_size; }

Slot* slot_at(uint32_t entry) {
  return entry == kUnknown || entry == kIgnored ? nullptr : &g_slots[entry - 1];
}

void put_stream(RecordType type, int fd, Slot* s, int64_t value, uint64_t extra = 0) {
  StreamBody body = {s->stream, value, extra};
  put(type, static_cast<uint32_t>(fd), now(), &body, sizeof body);
}

bool is_unnamed_unix(const sockaddr_storage& a, socklen_t size) {
  return a.ss_family == AF_UNIX && size <= offsetof(sockaddr_un, sun_path);
}

// A descriptor that we did not see being made: inherited over exec, passed by SCM_RIGHTS, or made
// before us.
Slot* classify(int fd) {
  KeepErrno keep;
  int type = 0, listening = 0;
  socklen_t size = sizeof type;
  if (REPRISE_REAL(getsockopt)(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
    ignore(fd);
    return nullptr;
  }
  size = sizeof listening;
  REPRISE_REAL(getsockopt)(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size);
  sockaddr_storage local = {}, peer = {};
  socklen_t local_size = sizeof local, peer_size = sizeof peer;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &local_size) != 0 || listening ||
      (local.ss_family != AF_INET && local.ss_family != AF_INET6 && local.ss_family != AF_UNIX)) {
    ignore(fd);
    return nullptr;
  }
  const bool datagram = type == SOCK_DGRAM;
  const bool connected = getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) == 0;
  if ((!connected && !datagram) || (local.ss_family == AF_UNIX && datagram)) {
    // Not connected yet: connect() will tell. Nothing can be read or written now.
    return nullptr;
  }
  if (is_unnamed_unix(local, local_size) && is_unnamed_unix(peer, peer_size)) {
    __atomic_add_fetch(&g_arena->ignored_streams, 1, __ATOMIC_RELAXED);
    ignore(fd);  // a socketpair
    return nullptr;
  }
  const uint8_t transport = local.ss_family == AF_UNIX ? kUnix : datagram ? kUdp : kTcp;
  Slot* s = open_stream(fd, transport, datagram);
  if (s != nullptr) {
    announce_open(fd, s, kOpenAdopted, now(),
                  connected ? reinterpret_cast<sockaddr*>(&peer) : nullptr, peer_size, 0, false);
  }
  return s;
}

void release(int fd, uint32_t entry) {
  Slot* s = slot_at(entry);
  if (s == nullptr) return;
  if (s->refs == 1) put_stream(kRecordClose, fd, s, 0);
  __atomic_sub_fetch(&s->refs, 1, __ATOMIC_RELEASE);
}

void set(int fd, uint32_t entry) {
  const uint32_t old = __atomic_exchange_n(&g_fds[fd], entry, __ATOMIC_ACQ_REL);
  release(fd, old);
}

}  // namespace

bool init_streams() {
  constexpr uint32_t kSizes[] = {1u << 20, 1u << 16};
  for (uint32_t size : kSizes) {
    auto* fds = static_cast<uint32_t*>(reserve_table(size * sizeof(uint32_t)));
    auto* slots = static_cast<Slot*>(reserve_table(size * sizeof(Slot)));
    if (fds != nullptr && slots != nullptr) {
      g_fds = fds;
      g_slots = slots;
      g_size = size;
      return true;
    }
    if (fds != nullptr) munmap(fds, size * sizeof(uint32_t));
    if (slots != nullptr) munmap(slots, size * sizeof(Slot));
  }
  return false;
}

Slot* known_stream_of(int fd) {
  return in_table(fd) ? slot_at(__atomic_load_n(&g_fds[fd], __ATOMIC_ACQUIRE)) : nullptr;
}

Slot* stream_of(int fd) {
  if (__builtin_expect(!in_table(fd), 0)) {
    if (fd >= 0) count_loss(kLossFdTable, 1, 0);
    return nullptr;
  }
  const uint32_t entry = __atomic_load_n(&g_fds[fd], __ATOMIC_ACQUIRE);
  if (__builtin_expect(entry != kUnknown, 1)) return slot_at(entry);
  return classify(fd);
}

Slot* open_stream(int fd, uint8_t transport, bool datagram) {
  if (!in_table(fd)) {
    count_loss(kLossFdTable, 1, 0);
    return nullptr;
  }
  uint32_t at = static_cast<uint32_t>(fd);
  for (uint32_t i = 0; i < g_size; ++i, ++at) {
    if (at >= g_size) at = 0;
    uint32_t free = 0;
    Slot* s = &g_slots[at];
    if (!__atomic_compare_exchange_n(&s->refs, &free, 1, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED)) {
      continue;
    }
    s->transport = transport;
    s->datagram = datagram;
    s->connecting = s->ended = 0;
    s->in = s->out = 0;
    s->stream = __atomic_add_fetch(&g_arena->next_stream, 1, __ATOMIC_RELAXED);
    set(fd, at + 1);
    return s;
  }
  count_loss(kLossFdTable, 1, 0);
  return nullptr;
}

void forget(int fd) {
  if (!in_table(fd) || __atomic_load_n(&g_fds[fd], __ATOMIC_RELAXED) == kUnknown) return;
  if (in_vfork_child()) return;  // its parent's table, and the parent keeps the descriptor
  set(fd, kUnknown);
}

void ignore(int fd) {
  if (in_table(fd)) set(fd, kIgnored);
}

void duplicate(int from, int to) {
  if (!in_table(from) || !in_table(to) || from == to || in_vfork_child()) return;
  if (__atomic_load_n(&g_fds[from], __ATOMIC_RELAXED) == kUnknown) stream_of(from);
  const uint32_t entry = __atomic_load_n(&g_fds[from], __ATOMIC_ACQUIRE);
  if (Slot* s = slot_at(entry)) __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
  set(to, entry);
}

void fill_address(AddressBody* out, const sockaddr* address, socklen_t size) {
  *out = AddressBody{};
  if (address == nullptr || size < sizeof(sa_family_t)) return;
  out->family = address->sa_family;
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    auto* in = reinterpret_cast<const sockaddr_in*>(address);
    out->port = ntohs(in->sin_port);
    __builtin_memcpy(out->bytes, &in->sin_addr, 4);
  } else if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    auto* in6 = reinterpret_cast<const sockaddr_in6*>(address);
    out->port = ntohs(in6->sin6_port);
    __builtin_memcpy(out->bytes, &in6->sin6_addr, 16);
  } else if (address->sa_family == AF_UNIX) {
    auto* un = reinterpret_cast<const sockaddr_un*>(address);
    size_t n = size - offsetof(sockaddr_un, sun_path);
    if (n > sizeof out->bytes) n = sizeof out->bytes;
    if (n > 0 && un->sun_path[0] != 0) n = strnlen(un->sun_path, n);
    out->length = static_cast<uint32_t>(n);
    __builtin_memcpy(out->bytes, un->sun_path, n);
  }
}

void announce_open(int fd, Slot* slot, uint8_t kind, uint64_t time, const sockaddr* peer,
                   socklen_t peer_size, int error, bool in_progress) {
  KeepErrno keep;
  OpenBody body = {};
  body.stream = slot->stream;
  body.kind = kind;
  body.transport = slot->transport;
  body.in_progress = in_progress;
  body.error = error;
  fill_address(&body.peer, peer, peer_size);
  if (error == 0) {
    sockaddr_storage local;
    socklen_t size = sizeof local;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0) {
      fill_address(&body.local, reinterpret_cast<sockaddr*>(&local), size);
    }
  }
  put(kRecordOpen, static_cast<uint32_t>(fd), time, &body, sizeof body);
}

void note_connected(int fd, Slot* slot, int error) {
  slot->connecting = 0;
  put_stream(kRecordConnected, fd, slot, error);
}

}  // namespace reprise::hook
