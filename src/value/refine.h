// What codecs named, made comparable: a path becomes a template and its segments, a statement a
// fingerprint and its literals, a body its typed leaves.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/leaf.h"

namespace reprise::value {

struct Refined {
  std::string shape;  // of the operation: "/user/{}/orders", "SELECT a FROM t WHERE id = ?"
  Leaves leaves;
};

// Bodies are opened by their content type ("header.content-type", "param.CONTENT_TYPE") or, without
// one, by trying JSON. A body that does not parse as what it claims stays one leaf of text or binary.
Refined refine(const Leaves& leaves);

// "/user/17/orders" -> "/user/{}/orders"; segments that hold digits, or are volatile by shape, open.
std::string path_template(std::string_view path);

// "body.items[0].id"; containers that are empty become one leaf with "[]" or "{}".
void flatten(const Json& json, const std::string& path, LeafClass cls, Leaves& out);

}  // namespace reprise::value
