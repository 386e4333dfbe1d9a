// What one recorded call costs the subject's thread: put_data() of the hook, against a bare loop
// that does the least that any recorder must: read the clock and copy the bytes. A collector drains
// the arena from another thread. Interleaved in one run, median of paired ratios, with an A/A
// control.
#include <benchmark/benchmark.h>
#include <sys/uio.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "capture/arena.h"

// Of hook/observe/writer.h, which poisons what a program outside the subject may use.
namespace reprise::hook {
void attach();
uint64_t now();
void put_data(uint32_t fd, uint64_t time, uint8_t flags, uint64_t stream, uint64_t offset,
              const iovec* iov, size_t iov_count, size_t total);
}  // namespace reprise::hook

namespace {

using namespace reprise;

constexpr int kRounds = 301;
// Of a round: what a busy thread records between two looks of the collector, at most 1 MB.
size_t calls_of(size_t size) { return std::min<size_t>(2000, (1 << 20) / size); }

int64_t cpu_ns() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return int64_t(t.tv_sec) * 1000000000 + t.tv_nsec;
}

// The same memory footprint as the arena in use: a small ring of chunks.
char g_ring[256 << 10];

double bare(const char* payload, size_t size) {
  const size_t calls = calls_of(size);
  const int64_t from = cpu_ns();
  size_t at = 0;
  for (size_t i = 0; i < calls; ++i) {
    const uint64_t now = hook::now();
    if (at + size + 8 > sizeof g_ring) at = 0;
    memcpy(g_ring + at, &now, 8);
    memcpy(g_ring + at + 8, payload, size);
    benchmark::ClobberMemory();
    at += size + 8;
  }
  return double(cpu_ns() - from) / double(calls);
}

double hooked(const char* payload, size_t size) {
  const size_t calls = calls_of(size);
  const int64_t from = cpu_ns();
  const iovec iov = {const_cast<char*>(payload), size};
  for (size_t i = 0; i < calls; ++i)
    hook::put_data(5, hook::now(), hook::kFlagOut, 1, i * size, &iov, 1, size);
  return double(cpu_ns() - from) / double(calls);
}

double median(std::vector<double> v, double q = 0.5) {
  std::sort(v.begin(), v.end());
  return v[static_cast<size_t>(q * double(v.size() - 1))];
}

}  // namespace

int main() {
  auto arena = capture::Arena::create(64u << 20, 0);
  if (!arena) {
    std::printf("%s\n", arena.error().message.c_str());
    return 1;
  }
  setenv(REPRISE_ENV_ARENA_FD, std::to_string(arena->fd()).c_str(), 1);
  hook::attach();
  std::atomic<bool> stop{false}, empty{false};
  std::thread collector([&] {
    std::vector<session::Event> events;
    while (!stop) {
      events.clear();
      arena->drain(events);
      arena->release();
      empty = events.empty();
      const timespec pause = {0, 500000};
      nanosleep(&pause, nullptr);
    }
  });
  const auto settle = [&] {
    for (int i = 0; i < 2; ++i) {
      empty = false;
      while (!empty) std::this_thread::yield();
    }
  };
  std::printf("%6s %10s %10s %8s %17s %17s\n", "bytes", "bare ns", "hook ns", "ratio", "quartiles",
              "A/A quartiles");
  std::vector<char> payload(65536, 'x');
  for (size_t size : {8, 64, 256, 1024, 4096, 16384}) {
    std::vector<double> ratios, control, b, h;
    hooked(payload.data(), size);
    for (int i = 0; i < kRounds; ++i) {
      settle();
      const double one = bare(payload.data(), size), with = hooked(payload.data(), size);
      settle();
      const double two = bare(payload.data(), size);
      b.push_back(one), h.push_back(with);
      ratios.push_back(with / one);
      control.push_back(two / one);
    }
    std::printf("%6zu %10.1f %10.1f %8.2f [%6.2f - %6.2f] [%6.2f - %6.2f]\n", size, median(b),
                median(h), median(ratios), median(ratios, 0.25), median(ratios, 0.75),
                median(control, 0.25), median(control, 0.75));
  }
  uint64_t lost = 0;
  stop = true;
  collector.join();
  for (uint64_t n : arena->stats().lost_records) lost += n;
  std::printf("records taken out %llu, lost (arena full, counted) %llu\n",
              static_cast<unsigned long long>(arena->stats().records),
              static_cast<unsigned long long>(lost));
  return 0;
}
