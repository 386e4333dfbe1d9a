#include "session/model.h"

namespace reprise::session {

const char* name(Confidence c) {
  constexpr const char* kNames[] = {"none", "ambiguous", "likely", "certain"};
  return kNames[static_cast<size_t>(c)];
}

const char* name(Evidence e) {
  constexpr const char* kNames[] = {"nothing",    "window", "after answer", "hand-off",
                                    "connection", "thread", "trace header", "link"};
  return kNames[static_cast<size_t>(e)];
}

}  // namespace reprise::session
