// Appends records to the arena. One chunk a thread; see hook/abi/arena.h.
#pragma once

#include "hook/observe/platform.h"

namespace reprise::hook {

// Null until attached, and after the collector has gone or the attach failed: every wrapper is then
// a plain call of the real function.
extern ArenaHeader* g_arena;

inline ArenaHeader* arena() {
  ArenaHeader* a = __atomic_load_n(&g_arena, __ATOMIC_ACQUIRE);
  return __builtin_expect(a != nullptr, 1) && !__atomic_load_n(&a->gone, __ATOMIC_RELAXED)
             ? a
             : nullptr;
}

void attach();          // once a process image, from the constructor
int arena_fd();         // the descriptor that must stay open, or -1
uint32_t process_id();  // cached; right after a fork too
// The caller runs between vfork and exec, in its parent's memory: nothing may be noted.
bool in_vfork_child();

uint64_t now();  // in units of the arena's clock

// After a real fork: the child says who it is, the parent says it for the child, since the child
// may not have run yet when the parent closes what they share.
void note_fork(int pid);

// body then payload, in one record; payload must fit in a chunk.
void put(RecordType type, uint32_t fd, uint64_t time, const void* body, size_t body_size,
         const void* payload = nullptr, size_t payload_size = 0, uint8_t flags = 0);

// Bytes of a stream, gathered from iov, split over records as chunks allow.
void put_data(uint32_t fd, uint64_t time, uint8_t flags, uint64_t stream, uint64_t offset,
              const iovec* iov, size_t iov_count, size_t total);

// Bytes that the subject sent from a file (sendfile): read again with pread, straight into the
// arena.
void put_file(uint32_t fd, uint64_t time, uint64_t stream, uint64_t offset, int file, off_t at,
              size_t total);

void count_loss(LossCause cause, uint64_t records, uint64_t bytes);

}  // namespace reprise::hook
