// A leaf: one typed value with the path that leads to it. Codecs name the leaves of requests and
// answers, value/ refines them (a JSON body becomes many leaves, a SQL text a fingerprint and its
// literals), the matcher and the comparison work on nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace reprise {

// What the text of a leaf is, so that value/ knows how to refine it.
enum class LeafForm : uint8_t {
  kText = 0,     // compare as it is
  kNumber = 1,   // decimal text, exact
  kNull = 2,     // text is empty
  kBinary = 3,   // raw bytes
  kSql = 4,      // a statement
  kUrlPath = 5,  // "/user/17/orders", not decoded
  kBody = 6,     // a body of unknown kind: the leaf "content-type" or the bytes tell
};

// What the leaf means for the identity of a request.
enum class LeafClass : uint8_t {
  kIdentity = 0,  // must agree: keys, path segments, query values, SQL parameters
  kPayload = 1,   // weighs, and must agree on a write
  kContext = 2,   // shown and compared, does not decide (most headers)
};

struct Leaf {
  std::string path;  // "header.accept", "query.id", "param.0", "arg.1", "sql", "body"
  std::string text;
  LeafForm form = LeafForm::kText;
  LeafClass cls = LeafClass::kIdentity;
};

using Leaves = std::vector<Leaf>;

inline const Leaf* find_leaf(const Leaves& leaves, std::string_view path) {
  for (const Leaf& leaf : leaves) {
    if (leaf.path == path) return &leaf;
  }
  return nullptr;
}

}  // namespace reprise
