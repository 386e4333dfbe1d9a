// Hashes of JSON values, so that equality of whole subtrees costs nothing.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "base/json.h"

namespace reprise::compare {

class Hasher {
 public:
  struct Hashes {
    uint64_t same = 0;   // equal values: numbers as decimals, members in any order
    uint64_t exact = 0;  // numbers as they are written
  };
  // Linear in the size of the value the first time; it must not change or move afterwards.
  Hashes of(const Json& json);

 private:
  Hashes container(const Json& json);

  std::unordered_map<const Json*, Hashes> known_;
};

}  // namespace reprise::compare
