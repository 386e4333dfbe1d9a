#include "capture/arena.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <tuple>
#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

#include "capture/record.h"

namespace reprise::capture {

using hook::ArenaHeader;
using hook::ChunkHeader;
using hook::kChunkSize;

namespace {

int64_t clock_ns(clockid_t id) {
  timespec ts;
  clock_gettime(id, &ts);
  return int64_t(ts.tv_sec) * 1000000000 + ts.tv_nsec;
}

// An invariant TSC counts at one rate on all cores; without it the hook asks the kernel's clock.
bool tsc_is_invariant() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
#else
  return false;
#endif
}

uint64_t ticks(uint32_t clock_kind) {
#if defined(__x86_64__)
  if (clock_kind == hook::kClockTsc) return __rdtsc();
#endif
  (void)clock_kind;
  return static_cast<uint64_t>(clock_ns(CLOCK_MONOTONIC));
}

template <class T>
T load(const T& shared, int order) {
  return __atomic_load_n(&shared, order);
}

// What may be reserved without driving the machine out of memory; all of it if nobody knows.
uint64_t available_memory() {
  FILE* f = fopen("/proc/meminfo", "re");
  if (f == nullptr) return UINT64_MAX;
  char line[256];
  unsigned long long kb = 0;
  bool found = false;
  while (!found && fgets(line, sizeof line, f) != nullptr) {
    found = sscanf(line, "MemAvailable: %llu kB", &kb) == 1;
  }
  fclose(f);
  return found ? uint64_t{kb} << 10 : UINT64_MAX;
}

uint64_t inode(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0 ? st.st_ino : 0;
}

}  // namespace

const char* loss_cause_name(uint32_t cause) {
  constexpr const char* kNames[] = {"arena full", "nested in a signal handler",
                                    "descriptor too high", "splice (unseen)", "io_uring (unseen)"};
  return cause < std::size(kNames) ? kNames[cause] : "other";
}

Result<Arena> Arena::create(uint64_t size, uint32_t lossless_wait_us) {
  Arena a;
  const uint64_t chunks = std::max<uint64_t>(size / (kChunkSize + sizeof(ChunkHeader)), 64);
  // Asked before it is tried: reserving more than there is wakes the out-of-memory killer.
  if (chunks > 1u << 24 || hook::arena_size(static_cast<uint32_t>(chunks)) > available_memory()) {
    return fail(
        fmt::format("reserve {} MB of shared memory for the arena: not enough memory", size >> 20),
        "free memory, or choose a smaller --arena", ErrorKind::kEnvironment);
  }
  a.chunks_ = static_cast<uint32_t>(chunks);
  a.size_ = hook::arena_size(a.chunks_);
  a.fd_ = memfd_create("reprise-arena", MFD_CLOEXEC);
  if (a.fd_ < 0) return fail_errno("create the arena", {}, ErrorKind::kEnvironment);
  // Allocated now: a full tmpfs would kill the subject by SIGBUS later.
  if (fallocate(a.fd_, 0, 0, static_cast<off_t>(a.size_)) != 0) {
    return fail_errno(fmt::format("reserve {} MB of shared memory for the arena", a.size_ >> 20),
                      "free memory, or choose a smaller --arena", ErrorKind::kEnvironment);
  }
  void* p = mmap(nullptr, a.size_, PROT_READ | PROT_WRITE, MAP_SHARED, a.fd_, 0);
  if (p == MAP_FAILED) return fail_errno("map the arena", {}, ErrorKind::kEnvironment);
  a.header_ = static_cast<ArenaHeader*>(p);
  a.tails_.assign(a.chunks_, 0);
  a.namespace_ = inode("/proc/self/ns/pid");
  ArenaHeader& h = *a.header_;
  h.version = hook::kArenaVersion;
  h.chunk_count = a.chunks_;
  h.clock_kind = tsc_is_invariant() ? hook::kClockTsc : hook::kClockMonotonic;
  h.lossless_wait_us = lossless_wait_us;
  a.epoch_ns_ = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
  // The rate of the counter, from two readings 30 ms apart; re-anchored at each drain.
  a.anchor();
  const uint64_t t0 = a.anchor_ticks_;
  const int64_t n0 = clock_ns(CLOCK_MONOTONIC);
  if (h.clock_kind == hook::kClockTsc) {
    timespec pause = {0, 30000000};
    nanosleep(&pause, nullptr);
    const int64_t n1 = clock_ns(CLOCK_MONOTONIC);
    a.ns_per_tick_ = double(n1 - n0) / double(ticks(h.clock_kind) - t0);
  }
  // Long against any stall of ours, short against filling the subject's patience.
  h.patience = static_cast<uint64_t>(30e9 / a.ns_per_tick_);
  h.heartbeat = ticks(h.clock_kind);
  __atomic_store_n(&h.magic, hook::kArenaMagic, __ATOMIC_RELEASE);
  return a;
}

Arena::Arena(Arena&& o) noexcept
    : fd_(std::exchange(o.fd_, -1)),
      header_(std::exchange(o.header_, nullptr)),
      size_(o.size_),
      chunks_(o.chunks_),
      tails_(std::move(o.tails_)),
      drained_(std::move(o.drained_)),
      dead_threads_(std::move(o.dead_threads_)),
      threads_(std::move(o.threads_)),
      namespace_(o.namespace_),
      same_namespace_(std::move(o.same_namespace_)),
      anchor_ticks_(o.anchor_ticks_),
      anchor_ns_(o.anchor_ns_),
      ns_per_tick_(o.ns_per_tick_),
      epoch_ns_(o.epoch_ns_),
      last_reclaim_ns_(o.last_reclaim_ns_),
      stats_(o.stats_) {}

Arena::~Arena() {
  if (header_ != nullptr) {
    __atomic_store_n(&header_->gone, 1, __ATOMIC_RELEASE);
    munmap(header_, size_);
  }
  if (fd_ >= 0) close(fd_);
}

void Arena::anchor() {
  // Between two readings of the counter, so that a preemption in the middle shows.
  for (int tries = 0; tries < 5; ++tries) {
    const uint64_t before = ticks(header_->clock_kind);
    const int64_t ns = now_ns();
    const uint64_t after = ticks(header_->clock_kind);
    anchor_ticks_ = before + (after - before) / 2;
    anchor_ns_ = ns;
    if (double(after - before) * ns_per_tick_ < 2000) return;
  }
}

int64_t Arena::to_ns(uint64_t time) const {
  return anchor_ns_ + static_cast<int64_t>(double(int64_t(time - anchor_ticks_)) * ns_per_tick_);
}

int64_t Arena::now_ns() const { return clock_ns(CLOCK_MONOTONIC) + epoch_ns_; }

bool Arena::same_namespace(uint32_t pid) const {
  const auto known = same_namespace_.find(pid);
  return known != same_namespace_.end() && known->second;
}

void Arena::drain(std::vector<session::Event>& out, bool last) {
  anchor();
  __atomic_store_n(&header_->heartbeat, anchor_ticks_, __ATOMIC_RELAXED);
  // First: what a dead thread published is taken out by this very drain.
  if (now_ns() - last_reclaim_ns_ > 500000000) reclaim_dead();
  const uint32_t high = std::min(load(header_->chunk_high, __ATOMIC_ACQUIRE), chunks_);
  stats_.chunks_in_use = 0;
  in_use_.clear();
  for (uint32_t i = 0; i < high; ++i) {
    const ChunkHeader& c = chunk_headers(header_)[i];
    if (load(c.owner, __ATOMIC_RELAXED) == 0) continue;
    ++stats_.chunks_in_use;
    if (load(c.ready, __ATOMIC_ACQUIRE) == 0) continue;
    in_use_.push_back({load(c.thread, __ATOMIC_RELAXED), load(c.sequence, __ATOMIC_RELAXED), i});
  }
  // A thread's chunks lie anywhere: their sequence is the order of its records.
  std::sort(in_use_.begin(), in_use_.end(), [](const Chunk& a, const Chunk& b) {
    return std::tie(a.thread, a.sequence) < std::tie(b.thread, b.sequence);
  });
  for (const Chunk& c : in_use_) drain_chunk(c.index, last, out);
  stats_.chunks_high = std::max(stats_.chunks_high, stats_.chunks_in_use);
}

void Arena::drain_chunk(uint32_t index, bool last, std::vector<session::Event>& out) {
  ChunkHeader& c = chunk_headers(header_)[index];
  // `closed` before `head`: once closed is seen, head is final.
  const bool closed = load(c.closed, __ATOMIC_ACQUIRE) != 0;
  const uint32_t head = load(c.head, __ATOMIC_ACQUIRE);
  const uint64_t owner = load(c.owner, __ATOMIC_RELAXED);
  const uint64_t thread_id = load(c.thread, __ATOMIC_RELAXED);
  uint32_t& tail = tails_[index];
  // A thread may have claimed, filled and left a chunk behind our back: its next one waits its
  // turn.
  const uint64_t sequence = load(c.sequence, __ATOMIC_RELAXED);
  Thread& thread = threads_[thread_id];
  if (sequence > thread.sequence && !last) return;
  if (head > kChunkSize || head < tail) {
    stats_.damaged += tail != kChunkSize;
    tail = kChunkSize;  // whatever it holds cannot be trusted
  } else if (head > tail) {
    thread.pid = static_cast<uint32_t>(owner >> 32);
    thread.tid = static_cast<uint32_t>(owner);
    char copy[kChunkSize];
    memcpy(copy, hook::chunk_data(header_, chunks_, index) + tail, head - tail);
    const ByteView bytes(copy, head - tail);
    if (parse(bytes, thread_id, thread, out) != bytes.size()) ++stats_.damaged;
    tail = head;
  }
  if (!closed) return;
  drained_.push_back(index);
  thread.sequence = std::max(thread.sequence, sequence + 1);
}

// How many bytes were understood.
size_t Arena::parse(ByteView bytes, uint64_t thread_id, Thread& thread,
                    std::vector<session::Event>& out) {
  size_t at = 0;
  while (at < bytes.size()) {
    session::Event e;
    uint64_t time = 0;
    const size_t size = parse_record(bytes.substr(at), e, time);
    if (size == 0) return at;
    // A thread's own order is exact; its stamps may cross where a write was stamped before the
    // call.
    e.at_ns = std::max(to_ns(time), thread.last_ns);
    thread.last_ns = e.at_ns;
    e.thread = thread_id;
    if (e.type != session::EventType::kProcess) e.pid = thread.pid;
    e.tid = thread.tid;
    if (e.type == session::EventType::kProcess) {
      same_namespace_[e.pid] = e.offset == namespace_;
      e.offset = 0;
    }
    ++stats_.records;
    if (e.type == session::EventType::kData) stats_.bytes += e.data.size();
    if (e.type != session::EventType::kNone) out.push_back(std::move(e));
    at += (size + 7) & ~size_t{7};
  }
  return bytes.size();
}

void Arena::release() {
  for (uint32_t index : drained_) {
    ChunkHeader& c = chunk_headers(header_)[index];
    tails_[index] = 0;
    __atomic_store_n(&c.head, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&c.closed, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&c.ready, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&c.owner, 0, __ATOMIC_RELEASE);
    // Low chunks first: the memory in use stays small and warm.
    uint32_t hint = load(header_->chunk_hint, __ATOMIC_RELAXED);
    if (index < hint) __atomic_store_n(&header_->chunk_hint, index, __ATOMIC_RELAXED);
  }
  drained_.clear();
  for (uint64_t thread : dead_threads_) threads_.erase(thread);
  dead_threads_.clear();
}

// Chunks of threads that ended or were killed. Only where the owner's pid means the same to us:
// freeing the chunk of a living thread would let two writers into it.
void Arena::reclaim_dead() {
  last_reclaim_ns_ = now_ns();
  const uint32_t high = std::min(load(header_->chunk_high, __ATOMIC_ACQUIRE), chunks_);
  for (uint32_t i = 0; i < high; ++i) {
    ChunkHeader& c = chunk_headers(header_)[i];
    const uint64_t owner = load(c.owner, __ATOMIC_ACQUIRE);
    if (owner == 0 || load(c.closed, __ATOMIC_ACQUIRE) != 0) continue;
    const auto pid = static_cast<uint32_t>(owner >> 32);
    if (!same_namespace(pid)) continue;
    if (access(fmt::format("/proc/{}/task/{}", pid, static_cast<uint32_t>(owner)).c_str(), F_OK) ==
        0) {
      continue;
    }
    // Dead: nobody writes any more. What is published will be drained, then it is freed.
    if (load(c.ready, __ATOMIC_ACQUIRE) != 0)
      dead_threads_.push_back(load(c.thread, __ATOMIC_RELAXED));
    __atomic_store_n(&c.closed, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&c.ready, 1, __ATOMIC_RELEASE);
    ++stats_.reclaimed;
  }
}

const ArenaStats& Arena::stats() {
  for (uint32_t i = 0; i < hook::kLossCauses; ++i) {
    stats_.lost_records[i] = load(header_->lost_records[i], __ATOMIC_RELAXED);
    stats_.lost_bytes[i] = load(header_->lost_bytes[i], __ATOMIC_RELAXED);
  }
  stats_.ignored_streams = load(header_->ignored_streams, __ATOMIC_RELAXED);
  stats_.processes = load(header_->processes, __ATOMIC_RELAXED);
  stats_.unattached = load(header_->unattached, __ATOMIC_RELAXED);
  stats_.given_up = load(header_->gone, __ATOMIC_RELAXED) != 0;
  return stats_;
}

}  // namespace reprise::capture
