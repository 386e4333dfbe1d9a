// Volatile shapes: values that differ from run to run by their nature. Two different values of one
// shape may stand for one another (the matcher binds them); two different plain values never do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace reprise::value {

enum class Shape : uint8_t {
  kPlain = 0,
  kUuid,       // 8-4-4-4-12
  kHex,        // 16 or more hexadecimal digits with at least one letter and one digit
  kEpoch,      // seconds, milliseconds, microseconds or nanoseconds within two days of `around`
  kTimestamp,  // ISO 8601 or "YYYY-MM-DD hh:mm:ss", HTTP date
  kToken,      // 20 or more of letters, digits, - _ with both cases and digits: ids, nonces
};
const char* name(Shape s);

// around_ns: when the value was seen, for epochs.
Shape shape_of(std::string_view text, int64_t around_ns);

}  // namespace reprise::value
