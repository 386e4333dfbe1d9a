// What a run found: one result for each session, one verdict for each call. Rendered by report.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compare/compare.h"
#include "mock/matcher.h"

namespace reprise::run {

enum class Outcome : uint8_t {
  kSame,         // the answer and every call agree
  kChanged,      // the answer differs, or a call is new, changed, or was answered by drift
  kMissedCalls,  // the answer agrees, but recorded calls were not made
  kCrashed,      // the subject ended in the middle
  kHung,         // no complete answer within the time allowed
  kRefused,      // cannot be replayed, by name: TLS, an incomplete recording, ...
};
const char* name(Outcome o);

// One call that the subject made in the replay, or, with kUnused, one that it should have made.
struct CallResult {
  mock::Verdict verdict = mock::Verdict::kMiss;
  std::string protocol;    // "mysql"
  std::string dependency;  // "10.0.0.5:3306"
  std::string label;       // as made; for kUnused as recorded: "UPDATE stock SET n = 4 WHERE id = 7"
  std::string operation;   // without values: "UPDATE stock SET n = ? WHERE id = ?", "SET", "GET /item/{}"
  std::string nearest;     // of a miss: label of the closest recorded call, empty if there is none
  std::vector<mock::Difference> differences;  // from the recorded call, or from the nearest
  std::string reason;
  int64_t recorded_ns = 0;  // when the recorded call was made, 0 if there is none
  bool write = false;
  bool reordered = false;  // made in another order than recorded
};

struct SessionResult {
  uint64_t id = 0;
  Outcome outcome = Outcome::kSame;
  std::string label;      // "GET /cart/17"
  std::string operation;  // "GET /cart/{}"
  std::string recorded_answer;  // "200 OK, 41 bytes"
  std::string live_answer;
  std::vector<compare::Difference> answer;  // field by field; forgiven ones included, marked so
  std::vector<CallResult> calls;            // in the order made, then the unused ones
  std::string reason;                       // for crashed, hung, refused
  int64_t recorded_ns = 0;                  // request to answer
  int64_t live_ns = 0;
};

// An attempt to leave the stage.
struct LeakResult {
  std::string to;
  std::string protocol;
  uint64_t count = 0;
};

struct RunResult {
  std::string recording;
  std::string stage_mode;           // "root namespaces", "user namespaces", "preload"
  std::vector<std::string> notes;   // what was given up, limits met
  std::vector<SessionResult> sessions;
  std::vector<CallResult> outside;  // calls made outside any session (start-up, background)
  std::vector<LeakResult> leaks;
  int64_t elapsed_ns = 0;

  // 0 all same, 1 differences, or sessions that could not be compared.
  int exit_code() const;
};

}  // namespace reprise::run
