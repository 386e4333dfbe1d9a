#include "compare/json_hash.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "compare/decimal.h"

namespace reprise::compare {

Hasher::Hashes Hasher::of(const Json& json) {
  switch (json.type) {
    case Json::Type::kNull:
      return {1, 1};
    case Json::Type::kBool:
      return json.boolean ? Hashes{2, 2} : Hashes{3, 3};
    case Json::Type::kNumber:
      return {xxh3_64(canonical_decimal(json.text)) * 3, xxh3_64(json.text) * 3};
    case Json::Type::kString: {
      const uint64_t h = xxh3_64(json.text);
      return {h, h};
    }
    case Json::Type::kArray:
    case Json::Type::kObject:
      break;
  }
  if (const auto it = known_.find(&json); it != known_.end()) return it->second;
  const Hashes h = container(json);
  known_.emplace(&json, h);
  return h;
}

Hasher::Hashes Hasher::container(const Json& json) {
  Bytes same, exact;
  const bool object = json.type == Json::Type::kObject;
  put_u8(same, object ? 'o' : 'a');
  put_u8(exact, object ? 'o' : 'a');
  const auto add = [&](const Json& value) {
    const Hashes h = of(value);
    put_le64(same, h.same);
    put_le64(exact, h.exact);
  };
  for (const Json& item : json.items) add(item);
  if (object) {
    std::vector<const JsonMember*> members;
    members.reserve(json.members.size());
    for (const JsonMember& m : json.members) members.push_back(&m);
    std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) {
      return a->first != b->first ? a->first < b->first : a < b;  // duplicates in their order
    });
    for (const JsonMember* m : members) {
      put_le64(same, xxh3_64(m->first));
      put_le64(exact, xxh3_64(m->first));
      add(m->second);
    }
  }
  return {xxh3_64(same), xxh3_64(exact)};
}

}  // namespace reprise::compare
