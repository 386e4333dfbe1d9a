// Times in texts: seconds to nanoseconds since the epoch, ISO 8601, SQL and HTTP dates.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace reprise::compare {

// Unix nanoseconds. A time without a zone is taken as UTC. Epochs only within two days of
// around_ns.
std::optional<int64_t> parse_time(std::string_view text, int64_t around_ns);

// Both are times, the recorded one within two days of its answer, and they are the same moment, or
// as far from their answers as one another: within a minute.
bool same_moment(std::string_view recorded, int64_t recorded_ns, std::string_view live,
                 int64_t live_ns);

}  // namespace reprise::compare
