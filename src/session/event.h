// One thing seen at an edge of a process. Captures emit events, the journal keeps them, assembly makes
// sessions of them; whether a hook, a packet or a probe saw it makes no difference here.
#pragma once

#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"

namespace reprise::session {

enum class EventType : uint8_t {
  kNone = 0,
  kProcess = 1,    // a process image begins (value: 0 = a new image, 1 = a forked child
                   // that holds its parent's streams, 2 = the process is gone)
  kOpen = 2,       // a stream begins; or, with error, a connect that failed
  kData = 3,
  kEof = 4,        // the peer ended its direction
  kShutdown = 5,   // value: SHUT_RD, SHUT_WR, SHUT_RDWR
  kClose = 6,      // the last descriptor of this process
  kError = 7,      // value: errno that ended the stream
  kConnected = 8,  // value: errno, 0 = a connect in progress was established
  kListen = 9,
  kDatagram = 10,  // an unconnected datagram, with its peer
  kResolve = 11,   // data: name; addresses; value: EAI_* or 0
  kGap = 12,       // this thread lost `offset` records and `value` bytes
  kUnseen = 13,    // value bytes at offset moved where nobody could copy them
};

enum class OpenKind : uint8_t { kAccept = 0, kConnect = 1, kAdopted = 2 };
enum class Transport : uint8_t { kTcp = 0, kUdp = 1, kUnix = 2 };

struct Event {
  EventType type = EventType::kNone;
  int64_t at_ns = 0;    // Unix epoch
  uint64_t thread = 0;  // identity of the thread, never reused
  uint32_t pid = 0;
  uint32_t tid = 0;
  uint32_t parent = 0;  // of a process
  uint64_t stream = 0;  // identity of the stream, never reused
  uint64_t offset = 0;  // of data, in its direction
  bool out = false;     // from the subject
  bool more = false;    // the datagram goes on in the next event of this thread
  bool in_progress = false;
  OpenKind kind = OpenKind::kAccept;
  Transport transport = Transport::kTcp;
  int64_t value = 0;
  Address local;
  Address peer;
  std::vector<Address> addresses;
  Bytes data;
};

}  // namespace reprise::session
