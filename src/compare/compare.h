// Field by field: what differs between a recorded answer and a live one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/leaf.h"
#include "wire/message.h"

namespace reprise::compare {

enum class Kind : uint8_t {
  kStatus,       // high
  kContentType,  // high
  kRemoved,      // high
  kType,         // high: a number became a string
  kValue,        // medium
  kOrder,        // medium: an array's elements moved
  kAdded,        // low
};
const char* name(Kind k);

struct Difference {
  Kind kind = Kind::kValue;
  std::string path;  // "status", "header.location", "body.items[id=7].price"
  std::string recorded;
  std::string live;
  bool forgiven = false;  // by a rule: shown on demand, never counted
  std::string rule;       // which: "volatile header", "--ignore body.time"
};

struct Rules {
  // Headers whose value may differ, but which must be there: Date, trace and request ids, ...
  std::vector<std::string> volatile_headers;
  // Path patterns that are not compared: "body.meta.time", "body.items[*].id", "header.etag".
  std::vector<std::string> ignore;
  // When the recorded answer was given and when the live one (Unix ns): times near either are forgiven
  // only if shift_times.
  bool shift_times = false;
  int64_t recorded_ns = 0;
  int64_t live_ns = 0;
};
Rules default_rules();

// Differences in a stable order: status, content type, headers, body. Empty: the same.
std::vector<Difference> compare_answers(const wire::Answer& recorded, const wire::Answer& live,
                                        const Rules& rules);

}  // namespace reprise::compare
