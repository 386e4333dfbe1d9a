// The functions that move bytes.
//
// Reads are stamped after the call, writes before it: an answer can never seem older than the
// request that it answers. MSG_PEEK moves nothing; a count is what the call returned, never what
// was asked.
#include <limits.h>

#include "hook/observe/real.h"
#include "hook/observe/streams.h"
#include "hook/observe/writer.h"

namespace reprise::hook {
namespace {

bool ends_stream(int error) {
  return error == ECONNRESET || error == EPIPE || error == ETIMEDOUT || error == EHOSTUNREACH ||
         error == ECONNREFUSED || error == ENETUNREACH || error == ECONNABORTED;
}

void note_end(RecordType type, int fd, Slot* s, int64_t value) {
  if (s->ended && type == kRecordEof) return;
  s->ended = 1;
  StreamBody body = {s->stream, value, 0};
  put(type, static_cast<uint32_t>(fd), now(), &body, sizeof body);
}

// The result of a call that did not move bytes: 0 (end of stream) or an error.
void note_none(int fd, Slot* s, ssize_t n, bool out, size_t asked) {
  const int error = errno;
  if (n == 0 && !out && asked > 0 && !s->datagram) {
    note_end(kRecordEof, fd, s, 0);
  } else if (n < 0 && ends_stream(error) && !s->datagram) {
    note_end(kRecordError, fd, s, error);
  }
  errno = error;
}

// The stream that a write goes to, looked up before the call: once the peer has the bytes it may
// close, and another thread of the subject then ends the descriptor while this one still returns.
struct Write {
  uint64_t time;  // 0: not recording
  Slot* slot;     // null: no stream
  uint64_t stream;
  uint64_t offset;

  bool still_open() const { return __atomic_load_n(&slot->stream, __ATOMIC_RELAXED) == stream; }
  // Where n bytes that were written stand in the stream.
  uint64_t advance(size_t n) const {
    return still_open() ? __atomic_fetch_add(&slot->out, n, __ATOMIC_RELAXED) : offset;
  }
};

Write before_write(int fd) {
  if (arena() == nullptr) return {};
  KeepErrno keep;
  Slot* s = stream_of(fd);
  if (s == nullptr) return {now(), nullptr, 0, 0};
  return {now(), s, s->stream, __atomic_load_n(&s->out, __ATOMIC_RELAXED)};
}

void note_read(int fd, Slot* s, const iovec* iov, size_t count, size_t n) {
  KeepErrno keep;
  if (__builtin_expect(s->connecting, 0)) note_connected(fd, s, 0);
  const uint64_t offset = __atomic_fetch_add(&s->in, n, __ATOMIC_RELAXED);
  put_data(static_cast<uint32_t>(fd), now(), 0, s->stream, offset, iov, count, n);
}

void note_written(int fd, const Write& w, const iovec* iov, size_t count, size_t n) {
  KeepErrno keep;
  if (__builtin_expect(w.slot->connecting, 0) && w.still_open()) note_connected(fd, w.slot, 0);
  put_data(static_cast<uint32_t>(fd), w.time, kFlagOut, w.stream, w.advance(n), iov, count, n);
}

constexpr int kNoData = MSG_PEEK | MSG_ERRQUEUE | MSG_OOB;

// Unconnected datagrams carry their peer.
void note_datagram(int fd, uint64_t stream, uint64_t offset, const sockaddr* peer,
                   socklen_t peer_size, const iovec* iov, size_t count, size_t n, uint64_t time,
                   bool out) {
  struct {
    DataBody data;
    AddressBody peer;
  } body;
  body.data = {stream, offset};
  fill_address(&body.peer, peer, peer_size);
  put(kRecordDatagram, static_cast<uint32_t>(fd), time, &body, sizeof body, nullptr, 0,
      static_cast<uint8_t>(kFlagMore | (out ? kFlagOut : 0)));
  put_data(static_cast<uint32_t>(fd), time, out ? kFlagOut : 0, body.data.stream, body.data.offset,
           iov, count, n);
}

void after_read(int fd, ssize_t n, const iovec* iov, size_t count, size_t asked) {
  if (arena() == nullptr) return;
  Slot* s = stream_of(fd);
  if (s == nullptr) return;
  if (n > 0) {
    note_read(fd, s, iov, count, static_cast<size_t>(n));
  } else {
    note_none(fd, s, n, false, asked);
  }
}

void after_read(int fd, ssize_t n, void* buffer, size_t asked) {
  const iovec iov = {buffer, n > 0 ? static_cast<size_t>(n) : 0};
  after_read(fd, n, &iov, 1, asked);
}

// Bytes that moved where we could not copy them: the offsets go on.
void note_unseen(int fd, Slot* s, size_t n, bool out) {
  KeepErrno keep;
  StreamBody body = {s->stream, static_cast<int64_t>(n),
                     __atomic_fetch_add(out ? &s->out : &s->in, n, __ATOMIC_RELAXED)};
  put(kRecordUnseen, static_cast<uint32_t>(fd), now(), &body, sizeof body, nullptr, 0,
      out ? kFlagOut : 0);
  count_loss(kLossSplice, 1, n);
}

void after_receive(int fd, ssize_t n, const iovec* iov, size_t count, size_t asked, int flags,
                   const sockaddr* from, socklen_t from_size) {
  if (arena() == nullptr || (flags & kNoData) != 0) return;
  if (n > 0 && (flags & MSG_TRUNC) != 0) {
    // On TCP the kernel throws the bytes away; the buffer is untouched, and may be null.
    if (Slot* tcp = stream_of(fd); tcp != nullptr && tcp->transport == kTcp) {
      return note_unseen(fd, tcp, static_cast<size_t>(n), false);
    }
  }
  if (n > 0 && (flags & MSG_TRUNC) != 0 && static_cast<size_t>(n) > asked) {
    n = static_cast<ssize_t>(asked);
  }
  Slot* s = n > 0 && from != nullptr ? stream_of(fd) : nullptr;
  if (s != nullptr && s->datagram && from_size > 0) {
    const auto size = static_cast<size_t>(n);
    note_datagram(fd, s->stream, __atomic_fetch_add(&s->in, size, __ATOMIC_RELAXED), from,
                  from_size, iov, count, size, now(), false);
    return;
  }
  after_read(fd, n, iov, count, asked);
}

void after_write(int fd, ssize_t n, const iovec* iov, size_t count, const Write& w) {
  if (w.slot == nullptr) return;
  if (n > 0) {
    note_written(fd, w, iov, count, static_cast<size_t>(n));
  } else if (w.still_open()) {
    note_none(fd, w.slot, n, true, 0);
  }
}

void after_write(int fd, ssize_t n, const void* buffer, const Write& w) {
  const iovec iov = {const_cast<void*>(buffer), n > 0 ? static_cast<size_t>(n) : 0};
  after_write(fd, n, &iov, 1, w);
}

void after_send_to(int fd, ssize_t n, const iovec* iov, size_t count, const sockaddr* to,
                   socklen_t to_size, const Write& w) {
  if (n > 0 && to != nullptr && w.slot != nullptr && w.slot->datagram) {
    KeepErrno keep;
    const auto size = static_cast<size_t>(n);
    note_datagram(fd, w.stream, w.advance(size), to, to_size, iov, count, size, w.time, true);
    return;
  }
  after_write(fd, n, iov, count, w);
}

size_t iov_total(const iovec* iov, size_t count) {
  size_t total = 0;
  for (size_t i = 0; i < count; ++i) total += iov[i].iov_len;
  return total;
}

// Descriptors that arrive over a Unix socket: whatever those numbers were before is over.
void forget_passed(const msghdr* m) {
  KeepErrno keep;
  for (cmsghdr* c = CMSG_FIRSTHDR(m); c != nullptr; c = CMSG_NXTHDR(const_cast<msghdr*>(m), c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      __builtin_memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      forget(fd);
    }
  }
}

template <class Real>
ssize_t do_sendfile(Real real, int out, int in, off_t* offset, size_t count) {
  const Write w = before_write(out);
  if (w.slot == nullptr) return real(out, in, offset, count);
  off_t at = 0;
  {
    KeepErrno keep;
    at = offset != nullptr ? *offset : raw_syscall(SYS_lseek, in, 0, SEEK_CUR);
  }
  const ssize_t n = real(out, in, offset, count);
  if (n <= 0) {
    after_write(out, n, nullptr, 0, w);
    return n;
  }
  KeepErrno keep;
  if (w.slot->connecting && w.still_open()) note_connected(out, w.slot, 0);
  const auto size = static_cast<size_t>(n);
  put_file(static_cast<uint32_t>(out), w.time, w.stream, w.advance(size), in, at, size);
  return n;
}

}  // namespace
}  // namespace reprise::hook

using namespace reprise::hook;

REPRISE_HOOK(ssize_t, read, (int fd, void* buffer, size_t size)) {
  const ssize_t n = REPRISE_REAL(read)(fd, buffer, size);
  after_read(fd, n, buffer, size);
  return n;
}
REPRISE_HOOK(ssize_t, __read_chk, (int fd, void* buffer, size_t size, size_t room)) {
  const ssize_t n = REPRISE_REAL(__read_chk)(fd, buffer, size, room);
  after_read(fd, n, buffer, size);
  return n;
}
REPRISE_HOOK(ssize_t, readv, (int fd, const iovec* iov, int count)) {
  const ssize_t n = REPRISE_REAL(readv)(fd, iov, count);
  if (count > 0) {
    after_read(fd, n, iov, static_cast<size_t>(count),
               n == 0 ? iov_total(iov, static_cast<size_t>(count)) : 1);
  }
  return n;
}
REPRISE_HOOK(ssize_t, recv, (int fd, void* buffer, size_t size, int flags)) {
  const ssize_t n = REPRISE_REAL(recv)(fd, buffer, size, flags);
  const iovec iov = {buffer, size};
  after_receive(fd, n, &iov, 1, size, flags, nullptr, 0);
  return n;
}
REPRISE_HOOK(ssize_t, __recv_chk, (int fd, void* buffer, size_t size, size_t room, int flags)) {
  const ssize_t n = REPRISE_REAL(__recv_chk)(fd, buffer, size, room, flags);
  const iovec iov = {buffer, size};
  after_receive(fd, n, &iov, 1, size, flags, nullptr, 0);
  return n;
}
REPRISE_HOOK(ssize_t, recvfrom,
             (int fd, void* buffer, size_t size, int flags, sockaddr* from, socklen_t* from_size)) {
  const ssize_t n = REPRISE_REAL(recvfrom)(fd, buffer, size, flags, from, from_size);
  const iovec iov = {buffer, size};
  after_receive(fd, n, &iov, 1, size, flags, from, n > 0 && from_size != nullptr ? *from_size : 0);
  return n;
}
REPRISE_HOOK(ssize_t, __recvfrom_chk,
             (int fd, void* buffer, size_t size, size_t room, int flags, sockaddr* from,
              socklen_t* from_size)) {
  const ssize_t n = REPRISE_REAL(__recvfrom_chk)(fd, buffer, size, room, flags, from, from_size);
  const iovec iov = {buffer, size};
  after_receive(fd, n, &iov, 1, size, flags, from, n > 0 && from_size != nullptr ? *from_size : 0);
  return n;
}
REPRISE_HOOK(ssize_t, recvmsg, (int fd, msghdr* m, int flags)) {
  const ssize_t n = REPRISE_REAL(recvmsg)(fd, m, flags);
  if (m != nullptr) {
    if (n >= 0 && m->msg_controllen > 0 && arena() != nullptr) forget_passed(m);
    after_receive(fd, n, m->msg_iov, m->msg_iovlen, iov_total(m->msg_iov, m->msg_iovlen), flags,
                  static_cast<sockaddr*>(m->msg_name), n > 0 ? m->msg_namelen : 0);
  }
  return n;
}
REPRISE_HOOK(int, recvmmsg, (int fd, mmsghdr* m, unsigned count, int flags, timespec* timeout)) {
  const int n = REPRISE_REAL(recvmmsg)(fd, m, count, flags, timeout);
  for (int i = 0; i < n; ++i) {
    const msghdr& h = m[i].msg_hdr;
    after_receive(fd, m[i].msg_len, h.msg_iov, h.msg_iovlen, iov_total(h.msg_iov, h.msg_iovlen),
                  flags, static_cast<sockaddr*>(h.msg_name), h.msg_namelen);
  }
  return n;
}
REPRISE_HOOK(ssize_t, write, (int fd, const void* buffer, size_t size)) {
  const Write w = before_write(fd);
  const ssize_t n = REPRISE_REAL(write)(fd, buffer, size);
  after_write(fd, n, buffer, w);
  return n;
}
REPRISE_HOOK(ssize_t, writev, (int fd, const iovec* iov, int count)) {
  const Write w = before_write(fd);
  const ssize_t n = REPRISE_REAL(writev)(fd, iov, count);
  if (count > 0) after_write(fd, n, iov, static_cast<size_t>(count), w);
  return n;
}
REPRISE_HOOK(ssize_t, send, (int fd, const void* buffer, size_t size, int flags)) {
  const Write w = before_write(fd);
  const ssize_t n = REPRISE_REAL(send)(fd, buffer, size, flags);
  after_write(fd, n, buffer, w);
  return n;
}
REPRISE_HOOK(ssize_t, sendto,
             (int fd, const void* buffer, size_t size, int flags, const sockaddr* to,
              socklen_t to_size)) {
  const Write w = before_write(fd);
  const ssize_t n = REPRISE_REAL(sendto)(fd, buffer, size, flags, to, to_size);
  const iovec iov = {const_cast<void*>(buffer), n > 0 ? static_cast<size_t>(n) : 0};
  after_send_to(fd, n, &iov, 1, to, to_size, w);
  return n;
}
REPRISE_HOOK(ssize_t, sendmsg, (int fd, const msghdr* m, int flags)) {
  const Write w = before_write(fd);
  const ssize_t n = REPRISE_REAL(sendmsg)(fd, m, flags);
  if (m != nullptr) {
    after_send_to(fd, n, m->msg_iov, m->msg_iovlen, static_cast<const sockaddr*>(m->msg_name),
                  m->msg_namelen, w);
  }
  return n;
}
REPRISE_HOOK(int, sendmmsg, (int fd, mmsghdr* m, unsigned count, int flags)) {
  const Write w = before_write(fd);
  const int n = REPRISE_REAL(sendmmsg)(fd, m, count, flags);
  for (int i = 0; i < n; ++i) {
    const msghdr& h = m[i].msg_hdr;
    after_send_to(fd, m[i].msg_len, h.msg_iov, h.msg_iovlen,
                  static_cast<const sockaddr*>(h.msg_name), h.msg_namelen, w);
  }
  return n;
}
REPRISE_HOOK(ssize_t, sendfile, (int out, int in, off_t* offset, size_t count)) {
  return do_sendfile(REPRISE_REAL(sendfile), out, in, offset, count);
}
REPRISE_HOOK(ssize_t, sendfile64, (int out, int in, off_t* offset, size_t count)) {
  return do_sendfile(REPRISE_REAL(sendfile64), out, in, offset, count);
}
REPRISE_HOOK(ssize_t, splice,
             (int in, loff_t* in_offset, int out, loff_t* out_offset, size_t size,
              unsigned flags)) {
  const ssize_t n = REPRISE_REAL(splice)(in, in_offset, out, out_offset, size, flags);
  if (n > 0 && arena() != nullptr) {
    KeepErrno keep;
    const int ends[2] = {in, out};
    for (int i = 0; i < 2; ++i) {
      Slot* s = stream_of(ends[i]);
      if (s != nullptr) note_unseen(ends[i], s, static_cast<size_t>(n), i == 1);
    }
  }
  return n;
}
