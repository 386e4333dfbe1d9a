// Recorded bytes made fit for a terminal and for XML: what a subject sent must not move the cursor,
// turn the direction of text or break a document.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace reprise::run {

// One line: UTF-8 stays, control characters and bytes that are no UTF-8 become \n, \t, \xHH. At
// most `columns` code points, "..." behind if cut.
std::string shown(std::string_view text, size_t columns = 200);

// Escaped for XML 1.0, in attributes and in text; what XML cannot hold becomes \xHH.
std::string xml(std::string_view text);

// "950 us", "12 ms", "2.31 s".
std::string duration(int64_t ns);

// 1234567 -> "1,234,567".
std::string grouped(uint64_t n);

}  // namespace reprise::run
