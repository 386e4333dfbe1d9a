// The collector's half of the hook's arena (hook/abi/arena.h): makes it, drains it, gives its space
// back. One owner thread. The memory is shared with the subject and so hostile: every index is
// copied before it is checked, and bytes are copied before they are read.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "hook/abi/arena.h"
#include "session/event.h"

namespace reprise::capture {

struct ArenaStats {
  uint64_t records = 0;                           // taken out
  uint64_t bytes = 0;                             // of payload
  uint64_t damaged = 0;                           // chunks that made no sense from some byte on
  uint64_t reclaimed = 0;                         // chunks taken back from dead threads
  uint64_t chunks_in_use = 0;                     // at the last drain
  uint64_t chunks_high = 0;                       // most ever in use
  uint64_t lost_records[hook::kLossCauses] = {};  // as the subject counted them
  uint64_t lost_bytes[hook::kLossCauses] = {};
  uint64_t ignored_streams = 0;
  uint64_t processes = 0;
  uint64_t unattached = 0;  // process images without the address space for the arena
  bool given_up = false;    // the subject took us for dead and stepped aside
};
const char* loss_cause_name(uint32_t cause);

class Arena {
 public:
  // size in bytes is rounded to whole chunks. lossless_wait_us: how long a thread of the subject
  // waits for space before it drops; 0 = never.
  static Result<Arena> create(uint64_t size, uint32_t lossless_wait_us);
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&&) = delete;
  ~Arena();  // tells the subject to step aside

  int fd() const { return fd_; }

  // Takes out everything published so far, as events in the order of each thread. The chunks stay
  // occupied until release(): call it once the events are safe.
  // last: also what has lost its place in its thread's order (nothing will fill it).
  void drain(std::vector<session::Event>& out, bool last = false);
  void release();

  // The arena's clock, as nanoseconds since the epoch: the wall clock as it was at the start, and
  // steady since. A step of the wall clock moves nothing here.
  int64_t now_ns() const;
  // Whether a process lives in our PID namespace, so that its pid means the same to us.
  bool same_namespace(uint32_t pid) const;
  const ArenaStats& stats();

 private:
  struct Thread {
    uint32_t pid = 0;
    uint32_t tid = 0;
    int64_t last_ns = 0;
    uint64_t sequence = 1;  // of the chunk that comes next
  };
  Arena() = default;
  struct Chunk {  // as it was when a drain began
    uint64_t thread;
    uint64_t sequence;
    uint32_t index;
  };
  void drain_chunk(uint32_t index, bool last, std::vector<session::Event>& out);
  size_t parse(ByteView bytes, uint64_t thread_id, Thread& thread,
               std::vector<session::Event>& out);
  void reclaim_dead();
  int64_t to_ns(uint64_t time) const;
  void anchor();

  int fd_ = -1;
  hook::ArenaHeader* header_ = nullptr;
  uint64_t size_ = 0;
  uint32_t chunks_ = 0;
  std::vector<uint32_t> tails_;         // ours: the shared copy is not believed
  std::vector<uint32_t> drained_;       // chunks to give back
  std::vector<uint64_t> dead_threads_;  // whose last chunk is among them
  std::vector<Chunk> in_use_;
  std::unordered_map<uint64_t, Thread> threads_;
  uint64_t namespace_ = 0;                             // inode of our PID namespace
  std::unordered_map<uint32_t, bool> same_namespace_;  // by pid
  uint64_t anchor_ticks_ = 0;
  int64_t anchor_ns_ = 0;
  double ns_per_tick_ = 1;
  int64_t epoch_ns_ = 0;  // wall clock minus monotonic clock, at the start
  int64_t last_reclaim_ns_ = 0;
  ArenaStats stats_;
};

}  // namespace reprise::capture
