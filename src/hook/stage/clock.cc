// Wall clocks, read. Monotonic clocks are never shifted: timers run on them.
#include <errno.h>
#include <sys/time.h>

#include "hook/stage/stage.h"

using namespace reprise::stage;

namespace {

struct OldTimeb {  // <sys/timeb.h>, gone from newer systems
  time_t time;
  unsigned short millitm;
  short timezone, dstflag;
};

bool is_wall(clockid_t clock) {
  constexpr clockid_t kRealtimeAlarm = 8, kTai = 11;
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == kRealtimeAlarm ||
         clock == kTai;
}

}  // namespace

STAGE_EXPORT int clock_gettime(clockid_t clock, timespec* out) noexcept {
  const int result = STAGE_REAL(clock_gettime)(clock, out);
  if (result == 0 && is_wall(clock)) {
    if (const int64_t offset = clock_offset()) shift(*out, offset);
  }
  return result;
}

STAGE_EXPORT int gettimeofday(timeval* out, void* zone) noexcept {
  const int result = STAGE_REAL(gettimeofday)(out, zone);
  if (result == 0) {
    if (const int64_t offset = clock_offset()) {
      timespec t{out->tv_sec, out->tv_usec * 1000};
      shift(t, offset);
      out->tv_sec = t.tv_sec;
      out->tv_usec = t.tv_nsec / 1000;
    }
  }
  return result;
}

STAGE_EXPORT time_t time(time_t* out) noexcept {
  timespec now;
  const int kept = errno;
  // The coarse clock, as the real time() uses: it never runs ahead of the seconds of the fine one.
  if (STAGE_REAL(clock_gettime)(CLOCK_REALTIME_COARSE, &now) != 0) {
    errno = kept;
    return STAGE_REAL(time)(out);
  }
  if (const int64_t offset = clock_offset()) shift(now, offset);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

STAGE_EXPORT int timespec_get(timespec* out, int base) noexcept {
  const int result = STAGE_REAL(timespec_get)(out, base);
  if (result == TIME_UTC) {
    if (const int64_t offset = clock_offset()) shift(*out, offset);
  }
  return result;
}

STAGE_EXPORT int ftime(OldTimeb* out) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  *out = {now.tv_sec, static_cast<unsigned short>(now.tv_nsec / 1'000'000), 0, 0};
  return 0;
}
