// Decimal numbers as text, compared exactly: nothing goes through a double.
#pragma once

#include <string>
#include <string_view>

namespace reprise::compare {

// Equal for equal numbers: "1", "1.0", "10e-1" are all "1e0". What is not a decimal ("NaN"), or has
// an exponent past 17 digits, stays as it is.
std::string canonical_decimal(std::string_view text);

}  // namespace reprise::compare
