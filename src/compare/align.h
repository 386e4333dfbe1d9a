// Which element of a live array answers to which of the recorded one. See the essay in align.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compare/json_hash.h"

namespace reprise::compare {

struct Alignment {
  std::string key;  // the member that identifies elements; empty: aligned as sequences
  std::vector<std::pair<size_t, size_t>> pairs;  // recorded and live, ascending in recorded
  std::vector<size_t> removed;                   // recorded, ascending
  std::vector<size_t> added;                     // live, ascending
  std::vector<std::pair<size_t, size_t>> moved;  // those of pairs that stand in another order
};

Alignment align(const Json& recorded, const Json& live, Hasher& hasher);

// Of values, a longest strictly increasing subsequence is marked true. n log n.
std::vector<bool> longest_increasing(std::span<const size_t> values);

}  // namespace reprise::compare
