// What the calls of one session say: a call that was made otherwise than recorded is one finding,
// not a new call and a missing one.
#pragma once

#include <string>
#include <vector>

#include "run/result.h"

namespace reprise::run {

struct CallFinding {
  enum class Kind : uint8_t { kNew, kMissing, kChanged, kReordered, kRepeated };
  Kind kind = Kind::kNew;
  const CallResult* live = nullptr;  // null for kMissing
  const CallResult* recorded =
      nullptr;  // the unused one, of kMissing and kChanged; may be null there
};
const char* name(CallFinding::Kind k);  // "new call", "missing call", ...

// 3 high, 2 medium, 1 low: what a write did or did not do weighs more than a read.
int severity(const CallFinding& finding);

// In the order of calls, which must outlive them. A miss goes with the unused call that is its
// nearest, else with an unused one of the same protocol, dependency and operation. n log n.
std::vector<CallFinding> call_findings(const std::vector<CallResult>& calls);

// "sql.literal[0]: 3 -> 4".
std::string text_of(const mock::Difference& difference);

}  // namespace reprise::run
