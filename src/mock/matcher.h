// Which recorded call answers a live one. See the essay in matcher.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "session/model.h"
#include "value/refine.h"

namespace reprise::mock {

enum class Verdict : uint8_t {
  kExact,     // every leaf that counts agrees
  kBound,     // but for volatile values, bound to each other from here on
  kDrift,     // a read whose payload differs
  kRetry,     // a read asked again after its recordings were used up
  kBorrowed,  // lent by another session (opt-in)
  kNearest,   // from the shared pool of ambiguous calls
  kTemplate,  // handshake, heartbeat, set-up: never used up
  kMiss,      // nothing recorded answers it
  kUnused,    // recorded, never asked for
  kRefused,   // refused as it was recorded
  kPassed,    // reached something real inside the stage
};
const char* name(Verdict v);

// A recorded call, ready for matching. The call must outlive it.
struct Candidate {
  const session::Call* call = nullptr;
  std::string key;       // protocol, dependency and operation
  std::string lookup;    // key and signature()
  value::Refined refined;
  uint32_t uses = 0;
  uint64_t order = 0;
};

// Of a live call against one candidate.
struct Difference {
  std::string path;
  std::string recorded;
  std::string live;
};

struct Decision {
  Verdict verdict = Verdict::kMiss;
  const session::Call* answer = nullptr;   // null for a miss
  const session::Call* nearest = nullptr;  // of a miss: the closest candidate
  std::vector<Difference> differences;     // from answer, or from nearest
  std::string reason;                      // one line
};

struct MatcherOptions {
  bool retry_reads = true;
  bool borrow = false;   // reads of other sessions may answer, if nothing of this one does
  bool nearest = false;  // a miss is answered by the closest call of its operation; a guess, and named so
  std::map<std::string, std::string> aliases;  // "10.0.0.5:6379" -> a logical name, both ways
};

// One pool of candidates, used once in recorded order.
class Pool {
 public:
  void add(const session::Call& call, const MatcherOptions& options);
  std::vector<std::unique_ptr<Candidate>>& candidates() { return candidates_; }
  // Those whose key and signature are equal to the live call's: no other can be accepted.
  const std::vector<Candidate*>* of(const std::string& lookup) const;

 private:
  std::vector<std::unique_ptr<Candidate>> candidates_;
  std::unordered_map<std::string, std::vector<Candidate*>> by_lookup_;
};

// Everything of a recording that does not belong to one session.
struct SharedPools {
  Pool start_up;    // before the first request
  Pool background;  // outside sessions, later
  Pool ambiguous;   // of more than one possible session
  Pool lent;        // reads of all sessions, for borrowing; never used up
  Pool templates;   // handshakes, heartbeats, set-up of the whole recording; never used up
};

// The live side of a call.
struct LiveCall {
  wire::Protocol protocol = wire::Protocol::kUnknown;
  Address dependency;
  const wire::Operation* operation = nullptr;
  int64_t now_ns = 0;  // session time, for epochs
};

// The matching of one session; or of the start-up, without a session. One owner thread.
class Matcher {
 public:
  Matcher(const MatcherOptions& options, SharedPools& shared);

  // The session from now on; its pool outlives it. Null: none (start-up, between sessions).
  void begin(Pool* session);
  Decision match(const LiveCall& live);
  // Recorded values that a live call had differently, in the order found.
  const std::vector<std::pair<std::string, std::string>>& bindings() const { return bindings_; }
  // Bytes of no known protocol: whether an unused recorded request to that dependency begins with them
  // and goes on, and none is equal to them.
  bool may_continue(const Address& dependency, ByteView bytes) const;
  // Calls of the session that nobody asked for.
  std::vector<const session::Call*> unused() const;

 private:
  struct Score {
    bool accepted = false;
    bool volatile_differs = false;
    bool payload_differs = false;
    double weight = 0;
    std::vector<Difference> differences;
    std::vector<std::pair<std::string, std::string>> binds;
  };
  Score compare(const Candidate& candidate, const value::Refined& live, const LiveCall& call) const;
  bool from_pool(Pool& pool, const std::string& lookup, const value::Refined& live, const LiveCall& call,
                 bool reuse, Decision& out);
  bool bound(const std::string& recorded, const std::string& live) const;
  bool borrow(const std::string& lookup, const value::Refined& live, const LiveCall& call, Decision& out) const;
  void find_nearest(Pool& pool, const value::Refined& live, const LiveCall& call, Decision& out) const;

  const MatcherOptions options_;
  SharedPools& shared_;
  Pool* session_ = nullptr;
  std::vector<std::pair<std::string, std::string>> bindings_;
};

// What must agree for an answer, hashed: the leaves that count, a volatile value by its shape only.
uint64_t signature(const value::Refined& request, bool write, int64_t around_ns);

std::string operation_key(wire::Protocol protocol, const Address& dependency, const wire::Operation& op,
                          const std::string& shape, const MatcherOptions& options);

}  // namespace reprise::mock
