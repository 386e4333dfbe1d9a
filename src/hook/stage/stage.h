// libreprise-stage.so: what a replayed program is told about time, and, where namespaces are
// refused, about the network. Loaded by LD_PRELOAD into any program.
//
// Rules of this country (another one than the rest of the source):
//   - libc only, through its public symbols; no allocation, no locks, no exceptions, no statics
//   with
//     constructors; nothing is ever written to stdout or stderr
//   - errno is kept wherever the wrapped function would have kept it
//   - a wrapper may run before our constructor, in a signal handler, in a vfork child, and while
//     another wrapper runs: all state is written once, by relaxed atomics, and may be written twice
//   - no page, no offset, nothing known: the real function, unchanged
#pragma once

#include <dlfcn.h>
#include <stdint.h>
#include <time.h>

#include "hook/abi/stage_abi.h"

#define STAGE_EXPORT extern "C" __attribute__((visibility("default")))

namespace reprise::stage {

// The next definition of a symbol, looked up once. `version` is tried first: dlsym alone returns
// the oldest of several versions.
template <class F>
inline F* next(void*& cache, const char* name, const char* version = nullptr) {
  void* f = __atomic_load_n(&cache, __ATOMIC_RELAXED);
  if (f == nullptr) {
    if (version != nullptr) f = dlvsym(RTLD_NEXT, name, version);
    if (f == nullptr) f = dlsym(RTLD_NEXT, name);
    __atomic_store_n(&cache, f, __ATOMIC_RELAXED);
  }
  return reinterpret_cast<F*>(f);
}

// STAGE_REAL(stat)(path, out): the libc function that a wrapper hides.
#define STAGE_REAL_VERSION(name, version)                                   \
  ([]() __attribute__((always_inline)) {                                    \
    static void* cache;                                                     \
    return ::reprise::stage::next<decltype(::name)>(cache, #name, version); \
  }())
#define STAGE_REAL(name) STAGE_REAL_VERSION(name, nullptr)

// Null if there is none. Mapped on first use.
Page* page();
// Whether this process may write to it (origins).
bool page_is_writable();

inline int64_t clock_offset() {
  const Page* p = page();
  return p == nullptr ? 0 : __atomic_load_n(&p->clock_offset_ns, __ATOMIC_RELAXED);
}
inline bool redirects() {
  const Page* p = page();
  return p != nullptr && p->redirect != 0;
}

constexpr int64_t kBillion = 1'000'000'000;

inline void shift(timespec& t, int64_t nanoseconds) {
  int64_t seconds = nanoseconds / kBillion, rest = t.tv_nsec + nanoseconds % kBillion;
  if (rest < 0) rest += kBillion, --seconds;
  if (rest >= kBillion) rest -= kBillion, ++seconds;
  t.tv_sec += seconds;
  t.tv_nsec = rest;
}

}  // namespace reprise::stage
