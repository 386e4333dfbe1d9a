// Structural comparison of JSON values, and of everything that was brought into that form.
#pragma once

#include "base/json.h"
#include "compare/findings.h"

namespace reprise::compare {

// Objects are unordered, duplicate names kept (the n-th answers to the n-th), arrays aligned
// (align.h). Nesting is bounded by the parser. n log n.
void compare_json(const Json& recorded, const Json& live, Findings& findings);

}  // namespace reprise::compare
