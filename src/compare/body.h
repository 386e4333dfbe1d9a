// Brings what codecs named into one tree, so that rows of a result set and elements of a reply are
// aligned like the elements of a JSON array.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/leaf.h"
#include "compare/findings.h"

namespace reprise::compare {

// An object of all leaves but "status" and headers: "row[0].id" and "row[1].id" become the array
// "row" of objects, "result[1].row[0].id" the array "result[1].row". Leaves of form kBody that hold
// JSON are opened. The leaf "body" is left out: compare_body takes it.
Json tree_of(const Leaves& leaves);

// media: types in lower case without parameters; empty if not told. Null: there is no body.
void compare_body(const Leaf* recorded, std::string_view recorded_media, const Leaf* live,
                  std::string_view live_media, Findings& findings);

}  // namespace reprise::compare
