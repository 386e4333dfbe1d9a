// The model that every recording holds and every use reads: sessions, and the calls in them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "session/event.h"
#include "wire/message.h"

namespace reprise::session {

// How sure we are that a call belongs to its session (DESIGN.md D4).
enum class Confidence : uint8_t {
  kNone = 0,       // belongs to no session: start-up, background
  kAmbiguous = 1,  // one of `candidates`; shared pool at replay
  kLikely = 2,     // one candidate, or evidence that an unusual program could defeat
  kCertain = 3,    // right in 99.9 % or more, measured
};
const char* name(Confidence c);

// Why. The order is that of strength.
enum class Evidence : uint8_t {
  kNothing = 0,
  kWindow = 1,      // among the calls open at that moment
  kAfterAnswer = 2, // the thread's last session, shortly after its answer
  kHandOff = 3,     // the thread that wrote the session's answer next
  kConnection = 4,  // a connection that serves this session only
  kThread = 5,      // its thread had exactly one open inbound call
  kTraceHeader = 6,
  kLink = 7,        // the caller is a recorded process: seen from both ends
};
const char* name(Evidence e);

enum class CallKind : uint8_t {
  kExchange = 0,  // request and answer
  kOneWay = 1,
  kGreeting = 2,       // the server spoke first
  kPush = 3,           // the server spoke unasked
  kFailedConnect = 4,  // error holds the errno
  kOpaque = 5,         // a stream that could not be read (TLS): bytes are counted only
};

struct Call {
  CallKind kind = CallKind::kExchange;
  wire::Protocol protocol = wire::Protocol::kUnknown;
  Transport transport = Transport::kTcp;
  uint64_t stream = 0;
  uint64_t exchange = 0;
  Address peer;   // outbound: the dependency; inbound: the client
  Address local;  // inbound: where it was accepted
  uint32_t pid = 0;
  uint64_t thread = 0;

  int64_t request_ns = 0;  // first byte of the request
  int64_t request_end_ns = 0;
  int64_t answer_ns = 0;  // first byte of the answer, 0 = none
  int64_t answer_end_ns = 0;

  Bytes request;
  Bytes interim;  // answers before the answer (HTTP 1xx)
  Bytes answer;
  uint64_t request_size = 0;  // on the wire; more than request.size() if it was cut
  uint64_t answer_size = 0;
  std::string request_digest;  // only if cut
  std::string answer_digest;
  bool answered = false;
  bool incomplete = false;  // cut by the end of the stream, by loss, or by the end of the recording
  int32_t error = 0;        // errno of a failed connect or a reset stream

  wire::Operation operation;

  Confidence confidence = Confidence::kNone;
  Evidence evidence = Evidence::kNothing;
  std::vector<uint64_t> candidates;  // session ids, if ambiguous
  uint64_t linked_session = 0;       // the session that this call is in another recorded process
};

enum class SessionKind : uint8_t {
  kInbound = 0,
  kStartUp = 1,     // calls before the first inbound call of the process tree
  kBackground = 2,  // calls of no session, later
};

struct Session {
  uint64_t id = 0;  // from 1, in the order in which requests arrived
  SessionKind kind = SessionKind::kInbound;
  uint64_t parent = 0;  // session whose call this is, seen from the other end
  Call inbound;         // meaningless unless kInbound
  std::vector<Call> calls;
  bool incomplete = false;

  int64_t begin_ns() const {
    return kind == SessionKind::kInbound ? inbound.request_ns
                                         : (calls.empty() ? 0 : calls.front().request_ns);
  }
};

// What a name meant when the subject asked.
struct Resolution {
  std::string name;
  int32_t result = 0;  // EAI_*
  std::vector<Address> addresses;  // port 0

  bool operator==(const Resolution&) const = default;
};

struct Listener {
  Address address;
  Transport transport = Transport::kTcp;

  bool operator==(const Listener&) const = default;
};

}  // namespace reprise::session
