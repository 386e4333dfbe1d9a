// Text by lines, binary by bytes.
#pragma once

#include <string_view>

#include "compare/findings.h"

namespace reprise::compare {

// One finding, or none if equal: a short text by its value, a longer one by its first differing
// line
// (":line 12", from 1) with how many lines the change spans, binary by the first differing byte
// (":byte 40", from 0) with both lengths. Linear.
void compare_text(std::string_view recorded, std::string_view live, Findings& findings);

}  // namespace reprise::compare
