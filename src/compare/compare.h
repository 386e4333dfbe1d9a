// Field by field: what differs between a recorded answer and a live one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
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
int severity(Kind k);  // 3 high, 2 medium, 1 low

constexpr size_t kMaxShown = 400;
constexpr size_t kMaxDifferences = 100;  // that count, and as many forgiven ones

struct Difference {
  Kind kind = Kind::kValue;
  std::string path;      // "status", "header.location", "body.items[id=7].price", "body:line 12"
  std::string recorded;  // excerpts for a person, at most kMaxShown bytes; may hold any byte
  std::string live;
  bool forgiven = false;  // by a rule: shown on demand, never counted
  std::string rule;       // which: "volatile header", "--ignore body.time"
};

struct Rules {
  // Headers whose value may differ, but which must be there: Date, trace and request ids, ... Lower
  // case; '*' stands for any characters.
  std::vector<std::string> volatile_headers;
  // Path patterns that are forgiven with all below them: "body.meta.time", "body.items[*].id",
  // "header.etag". '*' stays within one segment.
  std::vector<std::string> ignore;
  // When the recorded answer was given and when the live one (Unix ns): times near either are
  // forgiven only if shift_times.
  bool shift_times = false;
  int64_t recorded_ns = 0;
  int64_t live_ns = 0;
};
Rules default_rules();

// Differences in a stable order: status, content type, headers, the rest as recorded. Empty: the
// same. Never more than 2 * kMaxDifferences + 2: past a limit one entry of path "..." tells how
// many more.
std::vector<Difference> compare_answers(const wire::Answer& recorded, const wire::Answer& live,
                                        const Rules& rules);

// Some difference is not forgiven.
bool differs(const std::vector<Difference>& differences);

// A path without values: "body.items[id=7].price" -> "body.items[].price", "body:line 12" ->
// "body:line".
std::string general_path(std::string_view path);

}  // namespace reprise::compare
