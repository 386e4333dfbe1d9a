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
  // A refused session was not compared: nobody may take it for one that is the same.
  for (const SessionResult& s : sessions) {
    if (s.outcome != Outcome::kSame) return 1;
  }
  return sessions.empty() ? 1 : 0;
}

}  // namespace reprise::run
