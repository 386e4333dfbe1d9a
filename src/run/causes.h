// Why sessions differ, few lines instead of thousands of sessions: equal differences of many
// sessions, values removed, are one cause. The summary and the web page show these.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "run/result.h"

namespace reprise::run {

struct Cause {
  std::string title;  // one line for a person: "new call: UPDATE stock SET n = ? (mysql)"
  std::string kind;   // "status", "removed", "new call", "crashed", ...
  int severity = 0;   // 5 crashed, 4 hung, 3 high, 2 medium, 1 low, 0 refused
  std::vector<uint64_t> sessions;       // ascending, each once; empty: outside of any session
  std::string example;                  // of the first session: "session 17: 5 -> 7"
  std::vector<std::string> operations;  // of the sessions, the most frequent first: "POST /order"
};

// A call that nothing recorded answers gets an error; what the program then does otherwise (another
// answer, calls that it no longer makes) follows from it and is no cause of its own: the example counts
// what followed. A call that was skipped before that error stays a cause.
//
// The most severe first, then those of most sessions. One cause may concern several operations; all
// that differs in the answers of just the same sessions is one cause. n log n.
std::vector<Cause> causes(const RunResult& result);

}  // namespace reprise::run
