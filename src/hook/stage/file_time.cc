// File times, so that a file written a moment ago is a moment old by the shifted clock too. Only
// files changed since the stage was opened: an unchanged file keeps its ETag and Last-Modified.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <utime.h>

#include "hook/stage/stage.h"

using namespace reprise::stage;

namespace {

int64_t nanoseconds(int64_t seconds, int64_t rest) {
  // Saturates: a file system may hold any second.
  if (seconds > INT64_MAX / kBillion - 1) return INT64_MAX;
  if (seconds < INT64_MIN / kBillion + 1) return INT64_MIN;
  return seconds * kBillion + rest;
}

bool is_own(int64_t true_time) { return true_time >= page()->began_ns; }

void to_subject(timespec& t, int64_t offset) {
  if (is_own(nanoseconds(t.tv_sec, t.tv_nsec))) shift(t, offset);
}

// A time that the subject sets, back to the true one, if stat would shift that forward again.
timespec to_true(timespec t, int64_t offset) {
  if (t.tv_nsec == UTIME_NOW || t.tv_nsec == UTIME_OMIT) return t;
  timespec back = t;
  shift(back, -offset);
  return is_own(nanoseconds(back.tv_sec, back.tv_nsec)) ? back : t;
}

template <class Stat>
int shifted(int result, Stat* s) {
  if (result != 0) return result;
  if (const int64_t offset = clock_offset()) {
    to_subject(s->st_atim, offset);
    to_subject(s->st_mtim, offset);
    to_subject(s->st_ctim, offset);
  }
  return result;
}

}  // namespace

#define STAGE_STAT(suffix)                                                            \
  STAGE_EXPORT int stat##suffix(const char* path, struct stat##suffix* s) noexcept {  \
    return shifted(STAGE_REAL(stat##suffix)(path, s), s);                             \
  }                                                                                   \
  STAGE_EXPORT int lstat##suffix(const char* path, struct stat##suffix* s) noexcept { \
    return shifted(STAGE_REAL(lstat##suffix)(path, s), s);                            \
  }                                                                                   \
  STAGE_EXPORT int fstat##suffix(int fd, struct stat##suffix* s) noexcept {           \
    return shifted(STAGE_REAL(fstat##suffix)(fd, s), s);                              \
  }                                                                                   \
  STAGE_EXPORT int fstatat##suffix(int fd, const char* path, struct stat##suffix* s,  \
                                   int flags) noexcept {                              \
    return shifted(STAGE_REAL(fstatat##suffix)(fd, path, s, flags), s);               \
  }
STAGE_STAT()
STAGE_STAT(64)

// What programs built before glibc 2.33 call instead.
extern "C" {
int __xstat(int, const char*, struct stat*);
int __lxstat(int, const char*, struct stat*);
int __fxstat(int, int, struct stat*);
int __fxstatat(int, int, const char*, struct stat*, int);
int __xstat64(int, const char*, struct stat64*);
int __lxstat64(int, const char*, struct stat64*);
int __fxstat64(int, int, struct stat64*);
int __fxstatat64(int, int, const char*, struct stat64*, int);
}
#define STAGE_XSTAT(suffix)                                                                    \
  STAGE_EXPORT int __xstat##suffix(int v, const char* path, struct stat##suffix* s) {          \
    return shifted(STAGE_REAL(__xstat##suffix)(v, path, s), s);                                \
  }                                                                                            \
  STAGE_EXPORT int __lxstat##suffix(int v, const char* path, struct stat##suffix* s) {         \
    return shifted(STAGE_REAL(__lxstat##suffix)(v, path, s), s);                               \
  }                                                                                            \
  STAGE_EXPORT int __fxstat##suffix(int v, int fd, struct stat##suffix* s) {                   \
    return shifted(STAGE_REAL(__fxstat##suffix)(v, fd, s), s);                                 \
  }                                                                                            \
  STAGE_EXPORT int __fxstatat##suffix(int v, int fd, const char* path, struct stat##suffix* s, \
                                      int flags) {                                             \
    return shifted(STAGE_REAL(__fxstatat##suffix)(v, fd, path, s, flags), s);                  \
  }
STAGE_XSTAT()
STAGE_XSTAT(64)

STAGE_EXPORT int statx(int fd, const char* path, int flags, unsigned mask,
                       struct statx* s) noexcept {
  const int result = STAGE_REAL(statx)(fd, path, flags, mask, s);
  if (result != 0) return result;
  if (const int64_t offset = clock_offset()) {
    statx_timestamp* const all[] = {&s->stx_atime, &s->stx_mtime, &s->stx_ctime, &s->stx_btime};
    for (statx_timestamp* t : all) {
      timespec time{t->tv_sec, t->tv_nsec};
      to_subject(time, offset);
      t->tv_sec = time.tv_sec;
      t->tv_nsec = static_cast<uint32_t>(time.tv_nsec);
    }
  }
  return result;
}

STAGE_EXPORT int utimensat(int fd, const char* path, const timespec times[2], int flags) noexcept {
  const int64_t offset = clock_offset();
  if (offset == 0 || times == nullptr) return STAGE_REAL(utimensat)(fd, path, times, flags);
  const timespec changed[2] = {to_true(times[0], offset), to_true(times[1], offset)};
  return STAGE_REAL(utimensat)(fd, path, changed, flags);
}

STAGE_EXPORT int futimens(int fd, const timespec times[2]) noexcept {
  const int64_t offset = clock_offset();
  if (offset == 0 || times == nullptr) return STAGE_REAL(futimens)(fd, times);
  const timespec changed[2] = {to_true(times[0], offset), to_true(times[1], offset)};
  return STAGE_REAL(futimens)(fd, changed);
}

namespace {

// The older forms, by the newer ones; only when there is something to shift.
struct FromTimeval {
  timespec t[2];
  explicit FromTimeval(const timeval v[2])
      : t{{v[0].tv_sec, v[0].tv_usec * 1000}, {v[1].tv_sec, v[1].tv_usec * 1000}} {}
  static bool fits(const timeval v[2]) {
    return v != nullptr && clock_offset() != 0 && v[0].tv_usec >= 0 && v[0].tv_usec < 1'000'000 &&
           v[1].tv_usec >= 0 && v[1].tv_usec < 1'000'000;
  }
};

}  // namespace

STAGE_EXPORT int utimes(const char* path, const timeval times[2]) noexcept {
  if (!FromTimeval::fits(times)) return STAGE_REAL(utimes)(path, times);
  return utimensat(AT_FDCWD, path, FromTimeval(times).t, 0);
}
STAGE_EXPORT int lutimes(const char* path, const timeval times[2]) noexcept {
  if (!FromTimeval::fits(times)) return STAGE_REAL(lutimes)(path, times);
  return utimensat(AT_FDCWD, path, FromTimeval(times).t, AT_SYMLINK_NOFOLLOW);
}
STAGE_EXPORT int futimes(int fd, const timeval times[2]) noexcept {
  if (!FromTimeval::fits(times)) return STAGE_REAL(futimes)(fd, times);
  return futimens(fd, FromTimeval(times).t);
}
STAGE_EXPORT int utime(const char* path, const utimbuf* times) noexcept {
  if (times == nullptr || clock_offset() == 0) return STAGE_REAL(utime)(path, times);
  const timespec t[2] = {{times->actime, 0}, {times->modtime, 0}};
  return utimensat(AT_FDCWD, path, t, 0);
}
