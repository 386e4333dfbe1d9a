// Which session a write belongs to (DESIGN.md D4).
//
// Evidence, strongest first:
//   trace header   the request carries the trace id of exactly one open inbound request
//   thread         the writing thread has exactly one open inbound call that it read itself
//   connection     the first request on a connection whose connect() had thread evidence
//   after answer   the thread's last session was answered a moment ago and it has read no other
//   since hand-off       a worker that reads no inbound request: the session whose answer it writes
//   next window         exactly one session of the process was open: likely; more: ambiguous
//
// "Open" runs from the first byte of the request that was read to the last byte of the answer that
// was written. A thread that has read two open requests (an event loop) is no evidence at all,
// however often it would be right by chance.
//
// The trace header stands before the thread, against the order of the design: the request itself
// names its cause, and an event loop with one open request may still work off an older one
// (docs/adr/0001-differences-from-the-design.md).
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "session/model.h"

namespace reprise::session {

struct Attribution {
  Confidence confidence = Confidence::kNone;
  Evidence evidence = Evidence::kNothing;
  std::vector<uint64_t> sessions;  // one, or the candidates
  bool certain() const { return confidence == Confidence::kCertain; }
};

class Attributor {
 public:
  // An inbound request has begun, read by this thread.
  void open(uint64_t session, uint32_t pid, uint64_t thread, int64_t at_ns);
  // Its trace ids, once the request is decoded.
  void trace(uint64_t session, const Leaves& request);
  // Its answer is complete; last written by thread.
  void answered(uint64_t session, int64_t at_ns);
  void forget(uint64_t session);

  // Whom a write by this thread, now, belongs to; without looking at the bytes.
  Attribution of_write(uint32_t pid, uint64_t thread, int64_t at_ns) const;
  // The same with the decoded request: its trace header decides if it can.
  Attribution refine(Attribution found, const Leaves& request) const;
  size_t threads_remembered() const { return last_.size(); }

 private:
  struct Open {
    uint32_t pid;
    uint64_t thread;
    std::vector<std::string> traces;
  };
  struct Last {
    uint64_t session = 0;
    int64_t answered_ns = 0;
  };
  std::unordered_map<uint64_t, Open> open_;
  std::unordered_map<uint64_t, std::vector<uint64_t>> by_thread_;
  std::unordered_map<uint32_t, std::vector<uint64_t>> by_pid_;
  std::unordered_map<uint64_t, Last> last_;  // by thread
  size_t last_limit_ = 16384;
  std::unordered_map<std::string, std::vector<uint64_t>> by_trace_;
};

// The trace ids that a request carries: traceparent, b3, X-Request-Id and their kin.
std::vector<std::string> trace_ids(const Leaves& request);

}  // namespace reprise::session
