// The writing half of the arena.
//
// A thread's state is one thread-local struct with initial-exec TLS, so that reaching it is one
// instruction and never allocates. A fork is found by a page that the kernel wipes in children
// (MADV_WIPEONFORK): raw clone() is seen too, and vfork, which shares memory, leaves the mark
// alone.
#include "hook/observe/writer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "hook/observe/real.h"

namespace reprise::hook {

ArenaHeader* g_arena;

namespace {

struct ThreadState {
  ChunkHeader* chunk;
  uint8_t* data;
  uint32_t head;
  uint32_t busy;      // a record is being written: a nested call must not touch the chunk
  uint64_t thread;    // identity, 0 = none yet
  uint64_t token;     // pid << 32 | tid
  uint64_t sequence;  // of its chunks
  uint64_t retry_at;  // after a full arena: do not search again before
  uint64_t lost_records;
  uint64_t lost_bytes;
};

__thread ThreadState t_state __attribute__((tls_model("initial-exec")));

struct WipedOnFork {
  uint32_t alive;
  uint32_t pid;
};
WipedOnFork* g_mark;
int g_fd = -1;
uint32_t g_chunks;
uint64_t g_pid_namespace;

uint64_t ns_inode() {
  struct stat st;
  return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

// First record of a process image, or of a forked child.
void announce(uint32_t forked) {
  ProcessBody body = {};
  body.pid = g_mark->pid;
  body.parent = static_cast<uint32_t>(raw_syscall(SYS_getppid));
  body.forked = forked;
  body.pid_namespace = g_pid_namespace;
  put(kRecordProcess, 0, now(), &body, sizeof body);
}

void child_after_fork() {
  g_mark->pid = static_cast<uint32_t>(raw_syscall(SYS_getpid));
  __atomic_store_n(&g_mark->alive, 1, __ATOMIC_RELAXED);
  t_state = ThreadState{};  // the parent's chunk is the parent's
  __atomic_add_fetch(&g_arena->processes, 1, __ATOMIC_RELAXED);
  announce(1);
}

ChunkHeader* try_claim(uint64_t token) {
  ArenaHeader* a = g_arena;
  ChunkHeader* chunks = chunk_headers(a);
  uint32_t at = __atomic_load_n(&a->chunk_hint, __ATOMIC_RELAXED);
  for (uint32_t i = 0; i < g_chunks; ++i, ++at) {
    if (at >= g_chunks) at = 0;
    ChunkHeader* c = &chunks[at];
    if (__atomic_load_n(&c->owner, __ATOMIC_RELAXED) != 0) continue;
    uint64_t free = 0;
    if (!__atomic_compare_exchange_n(&c->owner, &free, token, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED)) {
      continue;
    }
    __atomic_store_n(&a->chunk_hint, at + 1, __ATOMIC_RELAXED);
    uint32_t high = __atomic_load_n(&a->chunk_high, __ATOMIC_RELAXED);
    while (high < at + 1 && !__atomic_compare_exchange_n(&a->chunk_high, &high, at + 1, false,
                                                         __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
    return c;
  }
  return nullptr;
}

// Leaves the current chunk and owns a fresh one; false if there is none.
bool next_chunk(ThreadState& t, uint64_t time) {
  if (t.chunk != nullptr) {
    __atomic_store_n(&t.chunk->closed, 1, __ATOMIC_RELEASE);
    t.chunk = nullptr;
  }
  if (t.retry_at != 0 && time < t.retry_at) return false;
  if (t.thread == 0) {
    t.thread = __atomic_add_fetch(&g_arena->next_thread, 1, __ATOMIC_RELAXED);
    t.token = uint64_t(g_mark->pid) << 32 | static_cast<uint32_t>(raw_syscall(SYS_gettid));
  }
  ChunkHeader* c = try_claim(t.token);
  for (uint32_t waited = 0;
       c == nullptr && waited < g_arena->lossless_wait_us && arena() != nullptr; waited += 50) {
    timespec pause = {0, 50000};
    raw_syscall(SYS_nanosleep, reinterpret_cast<long>(&pause), 0);
    c = try_claim(t.token);
  }
  if (c == nullptr) {
    // About a millisecond on any clock of 1 to 5 GHz.
    t.retry_at = time + 2000000;
    // A collector that was killed cannot tell us to step aside.
    const uint64_t heard = __atomic_load_n(&g_arena->heartbeat, __ATOMIC_RELAXED);
    const uint64_t patience = g_arena->patience;
    if (patience != 0 && time > heard && time - heard > patience) {
      __atomic_store_n(&g_arena->gone, 1, __ATOMIC_RELAXED);
    }
    return false;
  }
  t.retry_at = 0;
  c->thread = t.thread;
  c->sequence = ++t.sequence;
  c->closed = 0;
  __atomic_store_n(&c->head, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&c->ready, 1, __ATOMIC_RELEASE);
  t.chunk = c;
  t.head = 0;
  t.data = chunk_data(g_arena, g_chunks, static_cast<uint32_t>(c - chunk_headers(g_arena)));
  return true;
}

// Room for `size` bytes of one record, or null.
uint8_t* reserve(ThreadState& t, uint64_t time, size_t size) {
  if (t.chunk == nullptr || t.head + size > kChunkSize) {
    if (!next_chunk(t, time)) return nullptr;
  }
  return t.data + t.head;
}

void commit(ThreadState& t, size_t size) {
  t.head = (t.head + static_cast<uint32_t>(size) + 7) & ~7u;
  __atomic_store_n(&t.chunk->head, t.head, __ATOMIC_RELEASE);
}

// Written as whole words: a struct put together on the stack from narrow fields and then copied
// stalls for its stores (measured: 10 ns of a 256-byte record's 36).
void fill_header(uint8_t* at, size_t size, RecordType type, uint8_t flags, uint32_t fd,
                 uint64_t time) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(RecordHeader) == 16);
  const uint64_t words[2] = {
      size | uint64_t(type) << 16 | uint64_t(flags) << 24 | uint64_t(fd) << 32, time};
  __builtin_memcpy(at, &words[0], 8);
  __builtin_memcpy(at + 8, &words[1], 8);
}

// After a loss: says in the thread's own sequence how much is missing.
void put_gap(ThreadState& t, uint64_t time) {
  constexpr size_t kSize = sizeof(RecordHeader) + sizeof(GapBody);
  uint8_t* at = reserve(t, time, kSize);
  if (at == nullptr) return;
  GapBody gap = {t.lost_records, t.lost_bytes, kLossArenaFull, 0};
  fill_header(at, kSize, kRecordGap, 0, 0, time);
  __builtin_memcpy(at + sizeof(RecordHeader), &gap, sizeof gap);
  commit(t, kSize);
  t.lost_records = t.lost_bytes = 0;
}

void lose(ThreadState& t, uint64_t bytes) {
  ++t.lost_records;
  t.lost_bytes += bytes;
  count_loss(kLossArenaFull, 1, bytes);
}

// The thread's state, ready to write, or null if this is a nested call (counted).
ThreadState* enter(uint64_t bytes) {
  if (__builtin_expect(__atomic_load_n(&g_mark->alive, __ATOMIC_RELAXED) == 0, 0))
    child_after_fork();
  ThreadState& t = t_state;
  if (__builtin_expect(t.busy != 0, 0)) {
    count_loss(kLossNested, 1, bytes);
    return nullptr;
  }
  t.busy = 1;
  __asm__ volatile("" ::: "memory");
  return &t;
}

void leave(ThreadState& t) {
  __asm__ volatile("" ::: "memory");
  t.busy = 0;
}

constexpr size_t kDataHead = sizeof(RecordHeader) + sizeof(DataBody);

// Splits `total` bytes over records; fill(dst, n) copies the next n bytes, and returns how many it
// had.
template <class Fill>
void put_pieces(uint32_t fd, uint64_t time, uint8_t flags, uint64_t stream, uint64_t offset,
                size_t total, Fill fill) {
  ThreadState* t = enter(total);
  if (t == nullptr) return;
  if (__builtin_expect(t->lost_records != 0, 0)) put_gap(*t, time);
  while (total > 0) {
    size_t room = t->chunk != nullptr ? kChunkSize - t->head : 0;
    // A tail too short for a useful piece is left empty.
    if (room < kDataHead + (total < 64 ? total : 64)) {
      if (!next_chunk(*t, time)) {
        lose(*t, total);
        break;
      }
      room = kChunkSize;
    }
    size_t n = room - kDataHead;
    if (n > total) n = total;
    uint8_t* at = t->data + t->head;
    const size_t had = fill(at + kDataHead, n);
    if (had == 0) {
      lose(*t, total);
      break;
    }
    total -= had;
    fill_header(at, kDataHead + had, kRecordData,
                static_cast<uint8_t>(flags | (total > 0 ? kFlagMore : 0)), fd, time);
    DataBody body = {stream, offset};
    __builtin_memcpy(at + sizeof(RecordHeader), &body, sizeof body);
    commit(*t, kDataHead + had);
    offset += had;
  }
  leave(*t);
}

__attribute__((noinline)) void put_gathered(uint32_t fd, uint64_t time, uint8_t flags,
                                            uint64_t stream, uint64_t offset, const iovec* iov,
                                            size_t iov_count, size_t total) {
  size_t piece = 0, used = 0;
  put_pieces(fd, time, flags, stream, offset, total, [&](uint8_t* dst, size_t want) -> size_t {
    size_t done = 0;
    while (done < want && piece < iov_count) {
      size_t n = iov[piece].iov_len - used;
      if (n > want - done) n = want - done;
      __builtin_memcpy(dst + done, static_cast<const uint8_t*>(iov[piece].iov_base) + used, n);
      done += n;
      used += n;
      if (used == iov[piece].iov_len) ++piece, used = 0;
    }
    return done;
  });
}

uint64_t parse_number(const char* s) {
  uint64_t v = 0;
  for (; s != nullptr && *s >= '0' && *s <= '9'; ++s) v = v * 10 + static_cast<uint64_t>(*s - '0');
  return v;
}

// Too little address space for the arena: its first page is enough to say so.
void count_unattached(int fd) {
  void* p = mmap(nullptr, sizeof(ArenaHeader), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) return;
  auto* a = static_cast<ArenaHeader*>(p);
  if (a->magic == kArenaMagic) __atomic_add_fetch(&a->unattached, 1, __ATOMIC_RELAXED);
  munmap(p, sizeof(ArenaHeader));
}

// The memfd: the inherited descriptor if it still is the arena, else by path. Not closed by us.
ArenaHeader* map_arena(int fd) {
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0 || st.st_size < static_cast<off_t>(sizeof(ArenaHeader))) {
    return nullptr;
  }
  void* p =
      mmap(nullptr, static_cast<size_t>(st.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) {
    count_unattached(fd);
    return nullptr;
  }
  auto* a = static_cast<ArenaHeader*>(p);
  const uint32_t chunks = a->chunk_count;
  if (a->magic != kArenaMagic || a->version != kArenaVersion || chunks == 0 ||
      arena_size(chunks) > static_cast<uint64_t>(st.st_size)) {
    munmap(p, static_cast<size_t>(st.st_size));
    return nullptr;
  }
  g_chunks = chunks;
  return a;
}

}  // namespace

int arena_fd() { return g_fd; }
uint32_t process_id() { return g_mark != nullptr ? g_mark->pid : 0; }

bool in_vfork_child() {
  return g_mark != nullptr && __atomic_load_n(&g_mark->alive, __ATOMIC_RELAXED) != 0 &&
         static_cast<uint32_t>(raw_syscall(SYS_getpid)) != g_mark->pid;
}

void note_fork(int pid) {
  if (g_mark == nullptr || arena() == nullptr) return;
  if (pid == 0) {
    if (__atomic_load_n(&g_mark->alive, __ATOMIC_RELAXED) == 0) child_after_fork();
    return;
  }
  ProcessBody body = {};
  body.pid = static_cast<uint32_t>(pid);
  body.parent = g_mark->pid;
  body.forked = 1;
  body.pid_namespace = g_pid_namespace;
  put(kRecordProcess, 0, now(), &body, sizeof body);
}

uint64_t now() {
#if defined(__x86_64__)
  if (g_arena->clock_kind == kClockTsc) return __rdtsc();
#endif
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1000000000u + static_cast<uint64_t>(ts.tv_nsec);
}

void count_loss(LossCause cause, uint64_t records, uint64_t bytes) {
  ArenaHeader* a = g_arena;
  if (a == nullptr) return;
  __atomic_add_fetch(&a->lost_records[cause], records, __ATOMIC_RELAXED);
  __atomic_add_fetch(&a->lost_bytes[cause], bytes, __ATOMIC_RELAXED);
}

void put(RecordType type, uint32_t fd, uint64_t time, const void* body, size_t body_size,
         const void* payload, size_t payload_size, uint8_t flags) {
  ThreadState* t = enter(payload_size);
  if (t == nullptr) return;
  const size_t size = sizeof(RecordHeader) + body_size + payload_size;
  if (__builtin_expect(t->lost_records != 0, 0)) put_gap(*t, time);
  uint8_t* at = size <= kChunkSize ? reserve(*t, time, size) : nullptr;
  if (at == nullptr) {
    lose(*t, payload_size);
  } else {
    fill_header(at, size, type, flags, fd, time);
    __builtin_memcpy(at + sizeof(RecordHeader), body, body_size);
    if (payload_size > 0) {
      __builtin_memcpy(at + sizeof(RecordHeader) + body_size, payload, payload_size);
    }
    commit(*t, size);
  }
  leave(*t);
}

void put_data(uint32_t fd, uint64_t time, uint8_t flags, uint64_t stream, uint64_t offset,
              const iovec* iov, size_t iov_count, size_t total) {
  // Nearly every call: one buffer that fits in the chunk.
  ThreadState& t = t_state;
  const size_t size = kDataHead + total;
  if (__builtin_expect(iov_count == 1 && t.chunk != nullptr && t.busy == 0 && t.lost_records == 0 &&
                           total < kChunkSize && t.head + size <= kChunkSize &&
                           __atomic_load_n(&g_mark->alive, __ATOMIC_RELAXED) != 0,
                       1)) {
    t.busy = 1;
    __asm__ volatile("" ::: "memory");
    uint8_t* at = t.data + t.head;
    fill_header(at, size, kRecordData, flags, fd, time);
    __builtin_memcpy(at + sizeof(RecordHeader), &stream, 8);
    __builtin_memcpy(at + sizeof(RecordHeader) + 8, &offset, 8);
    __builtin_memcpy(at + kDataHead, iov->iov_base, total);
    commit(t, size);
    leave(t);
    return;
  }
  put_gathered(fd, time, flags, stream, offset, iov, iov_count, total);
}

void put_file(uint32_t fd, uint64_t time, uint64_t stream, uint64_t offset, int file, off_t at,
              size_t total) {
  put_pieces(fd, time, kFlagOut, stream, offset, total, [&](uint8_t* dst, size_t want) -> size_t {
    const long n =
        raw_syscall(SYS_pread64, file, reinterpret_cast<long>(dst), static_cast<long>(want), at);
    if (n <= 0) return 0;
    at += n;
    return static_cast<size_t>(n);
  });
}

void attach() {
  if (g_arena != nullptr) return;
  const char* number = getenv(REPRISE_ENV_ARENA_FD);
  if (number == nullptr) return;
  KeepErrno keep;
  int fd = static_cast<int>(parse_number(number));
  ArenaHeader* a = map_arena(fd);
  if (a == nullptr) {
    const char* path = getenv(REPRISE_ENV_ARENA_PATH);
    const int opened = path != nullptr ? open(path, O_RDWR | O_CLOEXEC) : -1;
    a = map_arena(opened);
    if (opened >= 0) raw_syscall(SYS_close, opened);
    fd = -1;
  }
  if (a == nullptr) return;
  g_fd = fd;
  g_pid_namespace = ns_inode();
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED || madvise(page, 4096, MADV_WIPEONFORK) != 0) return;  // stay off
  g_mark = static_cast<WipedOnFork*>(page);
  g_mark->pid = static_cast<uint32_t>(raw_syscall(SYS_getpid));
  g_mark->alive = 1;
  __atomic_add_fetch(&a->processes, 1, __ATOMIC_RELAXED);
  __atomic_store_n(&g_arena, a, __ATOMIC_RELEASE);
  announce(0);
}

}  // namespace reprise::hook
