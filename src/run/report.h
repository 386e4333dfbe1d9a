// The result of a run for people (terminal), for programs (JSON) and for build servers (JUnit XML).
#pragma once

#include <string>

#include "run/result.h"

namespace reprise::run {

struct SummaryOptions {
  bool colours = false;    // ANSI
  size_t max_causes = 12;  // two lines each
  size_t columns = 100;
};

// One screen: the verdict strip, what changed, calls, leaks, notes, the slowest sessions.
std::string summary(const RunResult& result, const SummaryOptions& options = {});

// Everything: causes, sessions with all differences (forgiven ones too), calls, leaks, notes.
std::string to_json(const RunResult& result);

// One testcase a session: failure for differences, error for crashed and hung, skipped for refused.
std::string to_junit(const RunResult& result);

// One session in full.
std::string explain(const SessionResult& session);

}  // namespace reprise::run
