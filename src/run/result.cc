#include "run/result.h"

#include <algorithm>

namespace reprise::run {

const char* name(Outcome o) {
  constexpr const char* kNames[] = {"same",    "changed", "missed calls",
                                    "crashed", "hung",    "refused"};
  return kNames[static_cast<size_t>(o)];
}

// A refused session is no difference, but a run that compared nothing found nothing the same.
int RunResult::exit_code() const {
  bool compared = false;
  for (const SessionResult& s : sessions) {
    if (s.outcome == Outcome::kRefused) continue;
    if (s.outcome != Outcome::kSame) return 1;
    compared = true;
  }
  return compared ? 0 : 1;
}

}  // namespace reprise::run
