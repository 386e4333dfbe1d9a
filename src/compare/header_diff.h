// Header fields: the content type first, then the others by name.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/leaf.h"
#include "compare/findings.h"

namespace reprise::compare {

// The fields of one answer, from leaves "header.NAME" and "header.NAME[1]".
class Headers {
 public:
  explicit Headers(const Leaves& leaves);
  struct Field {
    std::string name;  // lower case
    std::vector<std::string> values;
    std::string joined() const;  // as HTTP joins them: ", "
  };
  const Field* get(std::string_view name) const;
  const std::vector<Field>& fields() const { return fields_; }
  // "application/json" of "Content-Type: application/JSON; charset=utf-8"; empty if there is none.
  std::string media_type() const;

 private:
  std::vector<Field> fields_;  // in the order of their first occurrence
};

struct Framing {
  size_t recorded_body = 0;  // bytes
  size_t live_body = 0;
};

void compare_content_type(const Headers& recorded, const Headers& live, Findings& findings);
void compare_headers(const Headers& recorded, const Headers& live, const Framing& framing,
                     Findings& findings);

}  // namespace reprise::compare
