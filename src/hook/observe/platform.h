// Rules of this country: the observing library lives in somebody else's process.
//
// 1. No allocation, no exception, no C++ runtime, no thread of its own, no output.
// 2. errno after a wrapper is what the real call left.
// 3. Every wrapper calls the real function first or last, exactly once, with the caller's
// arguments.
// 4. Nothing blocks: what cannot be recorded at once is counted and dropped (--lossless waits,
// bounded).
// 5. A signal handler may interrupt any line and call in again; a fork may happen at any line; a
// kill
//    may happen at any line.
// 6. Nothing is included but the ABI header and C headers. malloc and stdio are poisoned.
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hook/abi/arena.h"

#pragma GCC poison malloc calloc realloc printf fprintf

namespace reprise::hook {

// Restores errno at the end of a scope.
class KeepErrno {
 public:
  KeepErrno() : saved_(errno) {}
  ~KeepErrno() { errno = saved_; }

 private:
  int saved_;
};

inline long raw_syscall(long n, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                        long f = 0) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = n;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
#else
#error "unsupported architecture"
#endif
}

}  // namespace reprise::hook

// Defines the interposed function NAME; its C++ name is hook_NAME, so that headers may declare
// NAME.
#define REPRISE_HOOK(ret, name, args)                                                    \
  extern "C" __attribute__((visibility("default"))) ret hook_##name args __asm__(#name); \
  ret hook_##name args
