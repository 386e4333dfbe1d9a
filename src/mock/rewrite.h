// Values that the live program has otherwise than the recording, written back into served answers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "wire/message.h"

namespace reprise::mock {

// Replaces each recorded value by its live one. HTTP repairs its Content-Length; in other protocols,
// where a length may stand anywhere, only values of equal length are replaced.
Bytes rewrite_bound(wire::Protocol protocol, Bytes answer,
                    const std::vector<std::pair<std::string, std::string>>& bindings);

}  // namespace reprise::mock
