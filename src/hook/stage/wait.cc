// Waits until a wall-clock time: what the subject computed from the shifted clock is turned back to
// the true one, which the kernel waits by.
//
// pthread_cond_timedwait waits by the clock of its condition variable, which only the C library
// knows. A wall-clock time is past 1985 and a monotonic one is an uptime, so the value itself
// tells.
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/timerfd.h>

#include "hook/stage/stage.h"

using namespace reprise::stage;

namespace {

class TrueTime {
 public:
  explicit TrueTime(const timespec* t) : given_(t), time_{} {
    constexpr time_t k1985 = 500'000'000;
    const int64_t offset = clock_offset();
    // Out-of-range nanoseconds must reach the real function, which refuses them.
    if (offset == 0 || t == nullptr || t->tv_sec < k1985 || t->tv_nsec < 0 ||
        t->tv_nsec >= kBillion)
      return;
    time_ = *t;
    shift(time_, -offset);
    if (time_.tv_sec < 0) time_ = {};
    given_ = &time_;
  }
  operator const timespec*() const { return given_; }

 private:
  const timespec* given_;
  timespec time_;
};

// Descriptors of timerfds on a wall clock, one bit each.
unsigned char wall_timers[65536 / 8];

}  // namespace

STAGE_EXPORT int pthread_cond_timedwait(pthread_cond_t* c, pthread_mutex_t* m,
                                        const timespec* until) {
  return STAGE_REAL_VERSION(pthread_cond_timedwait, "GLIBC_2.3.2")(c, m, TrueTime(until));
}
STAGE_EXPORT int pthread_mutex_timedlock(pthread_mutex_t* m, const timespec* until) noexcept {
  return STAGE_REAL(pthread_mutex_timedlock)(m, TrueTime(until));
}
STAGE_EXPORT int pthread_rwlock_timedrdlock(pthread_rwlock_t* l, const timespec* until) noexcept {
  return STAGE_REAL(pthread_rwlock_timedrdlock)(l, TrueTime(until));
}
STAGE_EXPORT int pthread_rwlock_timedwrlock(pthread_rwlock_t* l, const timespec* until) noexcept {
  return STAGE_REAL(pthread_rwlock_timedwrlock)(l, TrueTime(until));
}
STAGE_EXPORT int sem_timedwait(sem_t* s, const timespec* until) {
  return STAGE_REAL(sem_timedwait)(s, TrueTime(until));
}
STAGE_EXPORT int pthread_timedjoin_np(pthread_t t, void** result, const timespec* until) {
  return STAGE_REAL(pthread_timedjoin_np)(t, result, TrueTime(until));
}
#if __GLIBC_PREREQ(2, 30)
// A monotonic time passes unchanged through TrueTime.
STAGE_EXPORT int pthread_cond_clockwait(pthread_cond_t* c, pthread_mutex_t* m, clockid_t clock,
                                        const timespec* until) {
  return STAGE_REAL(pthread_cond_clockwait)(c, m, clock, TrueTime(until));
}
STAGE_EXPORT int pthread_mutex_clocklock(pthread_mutex_t* m, clockid_t clock,
                                         const timespec* until) noexcept {
  return STAGE_REAL(pthread_mutex_clocklock)(m, clock, TrueTime(until));
}
STAGE_EXPORT int pthread_rwlock_clockrdlock(pthread_rwlock_t* l, clockid_t clock,
                                            const timespec* until) noexcept {
  return STAGE_REAL(pthread_rwlock_clockrdlock)(l, clock, TrueTime(until));
}
STAGE_EXPORT int pthread_rwlock_clockwrlock(pthread_rwlock_t* l, clockid_t clock,
                                            const timespec* until) noexcept {
  return STAGE_REAL(pthread_rwlock_clockwrlock)(l, clock, TrueTime(until));
}
STAGE_EXPORT int sem_clockwait(sem_t* s, clockid_t clock, const timespec* until) {
  return STAGE_REAL(sem_clockwait)(s, clock, TrueTime(until));
}
#endif
STAGE_EXPORT ssize_t mq_timedreceive(mqd_t q, char* to, size_t size, unsigned* priority,
                                     const timespec* until) {
  return STAGE_REAL(mq_timedreceive)(q, to, size, priority, TrueTime(until));
}
STAGE_EXPORT int mq_timedsend(mqd_t q, const char* from, size_t size, unsigned priority,
                              const timespec* until) {
  return STAGE_REAL(mq_timedsend)(q, from, size, priority, TrueTime(until));
}

STAGE_EXPORT int clock_nanosleep(clockid_t clock, int flags, const timespec* request,
                                 timespec* remain) {
  auto* real = STAGE_REAL_VERSION(clock_nanosleep, "GLIBC_2.17");
  if ((flags & TIMER_ABSTIME) == 0) return real(clock, flags, request, remain);
  return real(clock, flags, TrueTime(request), remain);
}

STAGE_EXPORT int timerfd_create(int clock, int flags) noexcept {
  const int fd = STAGE_REAL(timerfd_create)(clock, flags);
  if (fd >= 0 && fd < 65536) {
    const auto bit = static_cast<unsigned char>(1 << (fd % 8));
    if (clock == CLOCK_REALTIME || clock == 8) {
      __atomic_or_fetch(&wall_timers[fd / 8], bit, __ATOMIC_RELAXED);
    } else {
      __atomic_and_fetch(&wall_timers[fd / 8], static_cast<unsigned char>(~bit), __ATOMIC_RELAXED);
    }
  }
  return fd;
}

STAGE_EXPORT int timerfd_settime(int fd, int flags, const itimerspec* set,
                                 itimerspec* old) noexcept {
  auto* real = STAGE_REAL(timerfd_settime);
  const bool wall = fd >= 0 && fd < 65536 && (wall_timers[fd / 8] >> (fd % 8) & 1) != 0;
  if (!wall || (flags & TFD_TIMER_ABSTIME) == 0 || set == nullptr) return real(fd, flags, set, old);
  const TrueTime until(&set->it_value);
  const itimerspec changed{set->it_interval, *until.operator const timespec*()};
  return real(fd, flags, &changed, old);
}
