// The contract between the observing library, inside the subject, and the collector, outside it.
//
// One memfd, mapped by both:   ArenaHeader | ChunkHeader[chunk_count] | chunk data[chunk_count]
//
// A thread of the subject owns a chunk by one CAS on ChunkHeader::owner (0 -> its token), appends
// records, publishes each by a release store of `head`, and when the chunk is full sets `closed`
// and claims another. So every chunk has exactly one writer, a killed writer leaves at most its own
// unfinished record (behind `head`, invisible), and nobody waits for anybody. The collector reads
// up to `head`, journals, then frees the chunk by storing 0 in `owner`.
//
// Trust: the subject's memory is hostile to the collector. The collector copies every index and
// length before it checks it, and never follows a pointer. The subject believes only what it wrote.
//
// kArenaVersion changes when: a struct here changes layout, a record type changes meaning, the
// environment variables change. Adding a record type or a counter at the end does not change it.
// The version is stored in every recording.
//
// Included by the hook library: nothing but <stdint.h>.
#pragma once

#include <stdint.h>

namespace reprise::hook {

constexpr uint64_t kArenaMagic = 0x314e455241505252;  // "RRPAREN1"
constexpr uint32_t kArenaVersion = 1;
constexpr uint32_t kChunkSize = 4096;  // a thousand threads hold 4 MB

// The environment of the subject: the arena's descriptor, and a path to open it by where the
// descriptor was closed (/proc/PID/fd/N of the collector).
#define REPRISE_ENV_ARENA_FD "REPRISE_ARENA_FD"
#define REPRISE_ENV_ARENA_PATH "REPRISE_ARENA_PATH"

enum ClockKind : uint32_t { kClockMonotonic = 0, kClockTsc = 1 };

// Why something was not recorded; index of ArenaHeader::lost_*.
enum LossCause : uint32_t {
  kLossArenaFull = 0,  // no free chunk
  kLossNested = 1,     // a signal handler called in while a record was being written
  kLossFdTable = 2,    // a descriptor beyond the table
  kLossSplice = 3,     // bytes that moved inside the kernel
  kLossIoUring = 4,    // io_uring was set up: its traffic is invisible here
  kLossCauses = 8,
};

struct ArenaHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t chunk_count;
  uint32_t clock_kind;
  uint32_t lossless_wait_us;  // 0: drop at once; else wait so long for a chunk, then drop
  uint32_t gone;              // set by the collector when it stops: the library steps aside
  uint32_t chunk_hint;        // where a free chunk is likely
  uint32_t chunk_high;        // chunks at and above this index were never used
  uint32_t processes;         // that attached
  uint64_t next_stream;       // identities, never reused
  uint64_t next_thread;
  uint64_t lost_records[kLossCauses];
  uint64_t lost_bytes[kLossCauses];
  uint64_t ignored_streams;  // socketpairs, netlink and the like: not traffic with a dependency
  uint64_t heartbeat;        // the collector's last drain, clock_kind units
  uint64_t patience;         // clock_kind units: a heartbeat older than this means that it is gone
  uint64_t unattached;       // process images that could not map the arena
  uint8_t pad[4096 - 88 - 16 * kLossCauses];
};
static_assert(sizeof(ArenaHeader) == 4096);

struct ChunkHeader {
  uint64_t owner;     // 0 free, else pid << 32 | tid of the writer
  uint64_t thread;    // identity of the writer, from next_thread
  uint64_t sequence;  // of this chunk among its thread's chunks, from 1
  uint32_t head;      // bytes published
  uint32_t closed;    // the writer has left
  uint32_t tail;      // collector's: bytes consumed
  uint32_t ready;     // thread and sequence are valid
  uint64_t pad[3];
};
static_assert(sizeof(ChunkHeader) == 64);

enum RecordType : uint8_t {
  kRecordProcess =
      1,            // first record of a process image, and its parent's word of a fork: ProcessBody
  kRecordOpen = 2,  // a stream begins or a connect failed: OpenBody
  kRecordData = 3,  // DataBody + bytes
  kRecordEof = 4,   // StreamBody: read() returned 0
  kRecordShutdown = 5,   // StreamBody, value = how
  kRecordClose = 6,      // StreamBody: the last descriptor in this process
  kRecordError = 7,      // StreamBody, value = errno of a read or write that ends the stream
  kRecordConnected = 8,  // StreamBody, value = errno (0 = established) of a connect in progress
  kRecordListen = 9,     // ListenBody
  kRecordDatagram = 10,  // DataBody + AddressBody + bytes (unconnected UDP)
  kRecordResolve = 11,   // ResolveBody + name + addresses
  kRecordGap = 12,       // GapBody
  kRecordUnseen =
      13,  // StreamBody, value = bytes that moved where we could not copy them; offset in extra
  kRecordThreadEnd = 14,
};

enum RecordFlags : uint8_t {
  kFlagOut = 1,    // bytes from the subject; otherwise bytes to it
  kFlagPlain = 2,  // plaintext of a TLS stream
  kFlagMore = 4,   // the next record of this thread continues the same datagram or call
};

// 8-byte aligned in the chunk; `size` counts the header and the unpadded body.
struct RecordHeader {
  uint16_t size;
  uint8_t type;
  uint8_t flags;
  uint32_t fd;
  uint64_t time;  // clock_kind units
};

struct DataBody {
  uint64_t stream;
  uint64_t offset;  // in this direction of this stream
};

struct StreamBody {
  uint64_t stream;
  int64_t value;
  uint64_t extra;
};

struct ProcessBody {
  uint32_t pid;
  uint32_t parent;
  uint32_t forked;  // 1: a child without exec, it holds its parent's streams; 0: a new image
  uint32_t pad;
  uint64_t
      pid_namespace;  // inode of /proc/self/ns/pid: whether `pid` means the same to the collector
};

enum OpenKind : uint8_t { kOpenAccept = 0, kOpenConnect = 1, kOpenAdopted = 2 };
enum Transport : uint8_t { kTcp = 0, kUdp = 1, kUnix = 2 };

struct AddressBody {
  uint16_t family;     // AF_*
  uint16_t port;       // host order
  uint32_t length;     // of the Unix path (in `bytes`)
  uint8_t bytes[112];  // 4 or 16 bytes of IP, or the path (a leading 0 = abstract)
};

struct OpenBody {
  uint64_t stream;
  uint8_t kind;
  uint8_t transport;
  uint8_t in_progress;
  uint8_t pad;
  int32_t error;  // errno of a failed connect
  AddressBody local;
  AddressBody peer;
};

struct ListenBody {
  AddressBody local;
  uint8_t transport;
  uint8_t pad[7];
};

struct ResolveBody {
  int32_t result;  // 0 or EAI_*
  uint16_t name_size;
  uint16_t addresses;  // AddressBody follow the padded name: family and 16 bytes each (IpBody)
};
struct IpBody {
  uint16_t family;
  uint8_t pad[6];
  uint8_t bytes[16];
};

struct GapBody {
  uint64_t records;
  uint64_t bytes;
  uint32_t cause;
  uint32_t pad;
};

inline uint64_t arena_size(uint32_t chunks) {
  return sizeof(ArenaHeader) + uint64_t(chunks) * (sizeof(ChunkHeader) + kChunkSize);
}
inline ChunkHeader* chunk_headers(ArenaHeader* a) {
  return reinterpret_cast<ChunkHeader*>(reinterpret_cast<uint8_t*>(a) + sizeof(ArenaHeader));
}
inline uint8_t* chunk_data(ArenaHeader* a, uint32_t chunk_count, uint32_t index) {
  return reinterpret_cast<uint8_t*>(chunk_headers(a) + chunk_count) + uint64_t(index) * kChunkSize;
}

}  // namespace reprise::hook
