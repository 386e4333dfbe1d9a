// The functions that end, copy and renumber descriptors.
#include <fcntl.h>
#include <stdarg.h>

#include "hook/observe/real.h"
#include "hook/observe/streams.h"
#include "hook/observe/writer.h"

namespace reprise::hook {
namespace {

// The subject may close every descriptor that it does not know, as daemons do. Ours must stay for
// the programs that it will exec.
bool is_ours(int fd) { return fd >= 0 && fd == arena_fd(); }

void forget_quietly(int fd) {
  if (arena() == nullptr) return;
  KeepErrno keep;
  forget(fd);
}

void forget_range(unsigned first, unsigned last) {
  if (arena() == nullptr) return;
  KeepErrno keep;
  constexpr unsigned kMost = 1u << 20;
  for (unsigned fd = first; fd <= last && fd < kMost; ++fd) forget(static_cast<int>(fd));
}

int renumber(int from, int to) {
  if (to >= 0 && arena() != nullptr) {
    KeepErrno keep;
    duplicate(from, to);
  }
  return to;
}

// Calls real(first, last) around our descriptor.
template <class Real>
int close_around(unsigned first, unsigned last, Real real) {
  const int ours = arena_fd();
  if (ours < 0 || static_cast<unsigned>(ours) < first || static_cast<unsigned>(ours) > last) {
    return real(first, last);
  }
  const auto fd = static_cast<unsigned>(ours);
  int result = 0;
  if (fd > first) result = real(first, fd - 1);
  if (result == 0 && fd < last) result = real(fd + 1, last);
  return result;
}

template <class Real>
int do_fcntl(Real real, int fd, int command, void* argument) {
  if (command == F_SETFD && is_ours(fd)) return 0;  // it has to survive exec
  const int result = real(fd, command, argument);
  if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) renumber(fd, result);
  return result;
}

}  // namespace
}  // namespace reprise::hook

using namespace reprise::hook;

REPRISE_HOOK(int, close, (int fd)) {
  if (is_ours(fd)) return 0;
  forget_quietly(fd);
  return REPRISE_REAL(close)(fd);
}
// stdio closes behind our back: a stale socket would claim the bytes of the next file.
REPRISE_HOOK(int, fclose, (FILE * file)) {
  if (file != nullptr && arena() != nullptr) {
    KeepErrno keep;
    const int fd = fileno(file);
    if (fd >= 0) forget(fd);
  }
  return REPRISE_REAL(fclose)(file);
}
REPRISE_HOOK(int, close_range, (unsigned first, unsigned last, int flags)) {
  if (flags == 0) forget_range(first, last);
  return close_around(first, last, [flags](unsigned a, unsigned b) {
    return REPRISE_REAL(close_range)(a, b, flags);
  });
}
REPRISE_HOOK(void, closefrom, (int first)) {
  const auto from = static_cast<unsigned>(first < 0 ? 0 : first);
  forget_range(from, ~0u);
  close_around(from, ~0u,
               [](unsigned a, unsigned b) { return REPRISE_REAL(close_range)(a, b, 0); });
}
REPRISE_HOOK(int, dup, (int fd)) { return renumber(fd, REPRISE_REAL(dup)(fd)); }
REPRISE_HOOK(int, dup2, (int from, int to)) {
  if (is_ours(to)) {
    errno = EBUSY;
    return -1;
  }
  return renumber(from, REPRISE_REAL(dup2)(from, to));
}
REPRISE_HOOK(int, dup3, (int from, int to, int flags)) {
  if (is_ours(to)) {
    errno = EBUSY;
    return -1;
  }
  return renumber(from, REPRISE_REAL(dup3)(from, to, flags));
}
REPRISE_HOOK(int, fcntl, (int fd, int command, ...)) {
  va_list list;
  va_start(list, command);
  void* argument = va_arg(list, void*);
  va_end(list);
  return do_fcntl(REPRISE_REAL(fcntl), fd, command, argument);
}
REPRISE_HOOK(int, fcntl64, (int fd, int command, ...)) {
  va_list list;
  va_start(list, command);
  void* argument = va_arg(list, void*);
  va_end(list);
  return do_fcntl(REPRISE_REAL(fcntl64), fd, command, argument);
}
// libuv closes by syscall(SYS_close): a stale socket would claim the bytes of the next file.
REPRISE_HOOK(long, syscall, (long number, ...)) {
  va_list list;
  va_start(list, number);
  const long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
  const long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
  if (number == SYS_close) {
    if (is_ours(static_cast<int>(a))) return 0;
    forget_quietly(static_cast<int>(a));
  }
  const long result = REPRISE_REAL(syscall)(number, a, b, c, d, e, f);
  if (number == SYS_io_uring_setup && result >= 0 && arena() != nullptr) {
    count_loss(kLossIoUring, 1, 0);
  }
  return result;
}
