// Set-Cookie: by cookie name, then attribute by attribute.
#pragma once

#include <string>
#include <vector>

#include "compare/findings.h"

namespace reprise::compare {

void compare_cookies(const std::vector<std::string>& recorded, const std::vector<std::string>& live,
                     Findings& findings);

}  // namespace reprise::compare
