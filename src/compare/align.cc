// Alignment of arrays.
//
// Compared by index, one element put in front makes every element differ. Two better ways:
//
//   By key: if both arrays hold objects that all have a member with scalar values that are unique
//   in each ("id"), that member says who is who. Well known names are tried first, then what else
//   the first object has. A candidate must find half of the smaller array again: ids made anew on
//   each run identify nothing. By sequence: a longest common subsequence of equal elements (Myers,
//   O((n + m) d), given up at d = 128), else the k-th occurrence of a value with its k-th and of
//   those pairs the longest increasing run (n log n; exact if values are unique). Equal elements
//   left on both sides have moved. What is left between two anchors is paired by likeness if small,
//   else in order: these changed.
//
// Example: [a, b, c] and [x, b, c', a]: b stays, a moved from 0 to 3, c changed, x is new.
#include "compare/align.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "compare/decimal.h"

namespace reprise::compare {

namespace {

constexpr int kMaxEdits = 128;
constexpr size_t kMaxKeyCandidates = 16;
constexpr size_t kMaxGap = 32;  // elements a side, for pairing by likeness

using Pairs = std::vector<std::pair<size_t, size_t>>;
using Values = std::vector<uint64_t>;

// Key value -> index; empty if the member does not identify.
std::unordered_map<std::string, size_t> index_by(const Json& array, std::string_view key) {
  std::unordered_map<std::string, size_t> out;
  for (size_t i = 0; i < array.items.size(); ++i) {
    const Json* v = array.items[i].get(key);
    if (v == nullptr) return {};
    const bool number = v->type == Json::Type::kNumber;
    if (!number && v->type != Json::Type::kString) return {};
    // A whole number and the string of it are one key: the change of type is reported inside.
    const bool whole = v->text.find_first_of(".eE") == std::string::npos;
    if (!out.emplace(number && !whole ? canonical_decimal(v->text) : v->text, i).second) return {};
  }
  return out;
}

bool all_objects(const Json& array) {
  return !array.items.empty() &&
         std::all_of(array.items.begin(), array.items.end(),
                     [](const Json& item) { return item.type == Json::Type::kObject; });
}

void mark_moved(Alignment& a) {
  std::vector<size_t> positions;
  positions.reserve(a.pairs.size());
  for (const auto& [i, j] : a.pairs) positions.push_back(j);
  const std::vector<bool> stays = longest_increasing(positions);
  for (size_t k = 0; k < a.pairs.size(); ++k) {
    if (!stays[k]) a.moved.push_back(a.pairs[k]);
  }
}

bool align_by(std::string_view key, const Json& recorded, const Json& live, Alignment& out) {
  if (key.find_first_of("[]") != key.npos) return false;  // could not be written into a path
  const auto left = index_by(recorded, key);
  if (left.empty()) return false;
  const auto right = index_by(live, key);
  if (right.empty()) return false;
  Pairs pairs;
  for (const auto& [value, i] : left) {
    if (const auto it = right.find(value); it != right.end()) pairs.emplace_back(i, it->second);
  }
  if (pairs.size() * 2 < std::min(left.size(), right.size())) return false;
  std::sort(pairs.begin(), pairs.end());
  std::vector<bool> found_left(recorded.items.size()), found_right(live.items.size());
  for (const auto& [i, j] : pairs) found_left[i] = found_right[j] = true;
  out.key = key;
  out.pairs = std::move(pairs);
  for (size_t i = 0; i < found_left.size(); ++i) {
    if (!found_left[i]) out.removed.push_back(i);
  }
  for (size_t j = 0; j < found_right.size(); ++j) {
    if (!found_right[j]) out.added.push_back(j);
  }
  mark_moved(out);
  return true;
}

bool align_by_key(const Json& recorded, const Json& live, Alignment& out) {
  if (!all_objects(recorded) || !all_objects(live)) return false;
  constexpr std::array<std::string_view, 8> kUsual = {"id",  "_id",  "key",  "name",
                                                      "sku", "uuid", "code", "ID"};
  for (const std::string_view key : kUsual) {
    if (align_by(key, recorded, live, out)) return true;
  }
  const auto& members = recorded.items[0].members;
  // Unusual names must find all of the smaller array: a price is unique by accident.
  for (size_t i = 0; i < std::min(members.size(), kMaxKeyCandidates); ++i) {
    Alignment tried;
    if (align_by(members[i].first, recorded, live, tried) && recorded.items.size() > 1 &&
        tried.pairs.size() == std::min(recorded.items.size(), live.items.size())) {
      out = std::move(tried);
      return true;
    }
  }
  return false;
}

// Myers, "An O(ND) difference algorithm and its variations" (1986), forward. False: more than
// kMaxEdits.
bool myers(std::span<const uint64_t> a, std::span<const uint64_t> b, size_t offset, Pairs& out) {
  const auto n = static_cast<int64_t>(a.size()), m = static_cast<int64_t>(b.size());
  const int64_t most = std::min<int64_t>(kMaxEdits, n + m), zero = most + 1;
  std::vector<int64_t> v(size_t(2 * most + 3), 0);  // furthest recorded index on each diagonal
  std::vector<std::vector<int64_t>> trace;          // v as it was before each round
  const auto from = [&](const std::vector<int64_t>& at, int64_t d, int64_t k) {
    const int64_t below = at[size_t(zero + k - 1)], above = at[size_t(zero + k + 1)];
    const bool down = k == -d || (k != d && below < above);
    return down ? std::pair(k + 1, above) : std::pair(k - 1, below + 1);
  };
  for (int64_t d = 0; d <= most; ++d) {
    trace.push_back(v);
    for (int64_t k = -d; k <= d; k += 2) {
      int64_t x = d == 0 ? 0 : from(v, d, k).second;
      while (x < n && x - k < m && a[size_t(x)] == b[size_t(x - k)]) ++x;
      v[size_t(zero + k)] = x;
      if (x != n || x - k != m) continue;
      int64_t at = k;
      for (int64_t e = d; e >= 0; --e) {
        const auto [before, start] =
            e == 0 ? std::pair<int64_t, int64_t>(0, 0) : from(trace[size_t(e)], e, at);
        for (; x > start; --x) {
          out.emplace_back(offset + size_t(x - 1), offset + size_t(x - 1 - at));
        }
        x = e == 0 ? 0 : trace[size_t(e)][size_t(zero + before)];
        at = before;
      }
      std::reverse(out.begin(), out.end());
      return true;
    }
  }
  return false;
}

// The k-th occurrence of each value with its k-th, among the indices given; ascending in recorded.
Pairs pair_equal(const Values& a, const Values& b, std::span<const size_t> of_a,
                 std::span<const size_t> of_b) {
  std::unordered_map<uint64_t, std::vector<size_t>> where;
  for (size_t k = of_b.size(); k-- > 0;) where[b[of_b[k]]].push_back(of_b[k]);
  Pairs out;
  for (const size_t i : of_a) {
    const auto it = where.find(a[i]);
    if (it == where.end() || it->second.empty()) continue;
    out.emplace_back(i, it->second.back());
    it->second.pop_back();
  }
  return out;
}

Pairs common_subsequence(const Values& a, const Values& b) {
  size_t front = 0, back = 0;
  const size_t shorter = std::min(a.size(), b.size());
  while (front < shorter && a[front] == b[front]) ++front;
  while (back < shorter - front && a[a.size() - 1 - back] == b[b.size() - 1 - back]) ++back;
  Pairs out;
  for (size_t i = 0; i < front; ++i) out.emplace_back(i, i);
  Pairs middle;
  const std::span<const uint64_t> sa(a), sb(b);
  if (!myers(sa.subspan(front, a.size() - front - back), sb.subspan(front, b.size() - front - back),
             front, middle)) {
    middle.clear();
    std::vector<size_t> ia, ib, positions;
    for (size_t i = front; i < a.size() - back; ++i) ia.push_back(i);
    for (size_t j = front; j < b.size() - back; ++j) ib.push_back(j);
    const Pairs equal = pair_equal(a, b, ia, ib);
    for (const auto& [i, j] : equal) positions.push_back(j);
    const std::vector<bool> stays = longest_increasing(positions);
    for (size_t k = 0; k < equal.size(); ++k) {
      if (stays[k]) middle.push_back(equal[k]);
    }
  }
  out.insert(out.end(), middle.begin(), middle.end());
  for (size_t i = back; i > 0; --i) out.emplace_back(a.size() - i, b.size() - i);
  return out;
}

class SequenceAligner {
 public:
  SequenceAligner(const Json& recorded, const Json& live, Hasher& hasher)
      : recorded_(recorded), live_(live), hasher_(hasher) {}

  void run(Alignment& out) {
    Values a, b;
    for (const Json& item : recorded_.items) a.push_back(hasher_.of(item).same);
    for (const Json& item : live_.items) b.push_back(hasher_.of(item).same);
    const Pairs anchors = common_subsequence(a, b);
    std::vector<bool> done_a(a.size()), done_b(b.size());
    for (const auto& [i, j] : anchors) done_a[i] = done_b[j] = true;
    out.moved = pair_equal(a, b, missing(done_a), missing(done_b));
    for (const auto& [i, j] : out.moved) done_a[i] = done_b[j] = true;
    out.pairs = anchors;
    out.pairs.insert(out.pairs.end(), out.moved.begin(), out.moved.end());
    size_t i = 0, j = 0;
    for (size_t k = 0; k <= anchors.size(); ++k) {
      const size_t to_i = k < anchors.size() ? anchors[k].first : a.size();
      const size_t to_j = k < anchors.size() ? anchors[k].second : b.size();
      std::vector<size_t> gap_a, gap_b;
      for (; i < to_i; ++i) {
        if (!done_a[i]) gap_a.push_back(i);
      }
      for (; j < to_j; ++j) {
        if (!done_b[j]) gap_b.push_back(j);
      }
      ++i, ++j;
      gap(gap_a, gap_b, out);
    }
    std::sort(out.pairs.begin(), out.pairs.end());
  }

 private:
  static std::vector<size_t> missing(const std::vector<bool>& done) {
    std::vector<size_t> out;
    for (size_t i = 0; i < done.size(); ++i) {
      if (!done[i]) out.push_back(i);
    }
    return out;
  }

  // How alike two elements are that are not equal; more than 0, that changing beats removing.
  int likeness(size_t i, size_t j) {
    const Json& a = recorded_.items[i];
    const Json& b = live_.items[j];
    if (a.type != b.type) return 1;
    int like = 2;
    for (size_t k = 0; k < std::min(a.members.size(), b.members.size()); ++k) {
      if (a.members[k].first != b.members[k].first) continue;
      like += hasher_.of(a.members[k].second).same == hasher_.of(b.members[k].second).same ? 3 : 1;
    }
    for (size_t k = 0; k < std::min(a.items.size(), b.items.size()); ++k) {
      like += hasher_.of(a.items[k]).same == hasher_.of(b.items[k]).same ? 3 : 0;
    }
    return like;
  }

  void gap(const std::vector<size_t>& a, const std::vector<size_t>& b, Alignment& out) {
    const size_t n = a.size(), m = b.size();
    if (n == m || n > kMaxGap || m > kMaxGap || n == 0 || m == 0) {
      const size_t both = std::min(n, m);
      for (size_t k = 0; k < both; ++k) out.pairs.emplace_back(a[k], b[k]);
      out.removed.insert(out.removed.end(), a.begin() + ptrdiff_t(both), a.end());
      out.added.insert(out.added.end(), b.begin() + ptrdiff_t(both), b.end());
      return;
    }
    // best[i][j]: the most likeness to be had from a[i..] and b[j..].
    std::vector<std::vector<int>> best(n + 1, std::vector<int>(m + 1, 0)), like = best;
    for (size_t i = n; i-- > 0;) {
      for (size_t j = m; j-- > 0;) {
        like[i][j] = likeness(a[i], b[j]);
        best[i][j] = std::max({best[i + 1][j], best[i][j + 1], like[i][j] + best[i + 1][j + 1]});
      }
    }
    size_t i = 0, j = 0;
    while (i < n && j < m) {
      if (best[i][j] == like[i][j] + best[i + 1][j + 1]) {
        out.pairs.emplace_back(a[i++], b[j++]);
      } else if (best[i][j] == best[i + 1][j]) {
        out.removed.push_back(a[i++]);
      } else {
        out.added.push_back(b[j++]);
      }
    }
    out.removed.insert(out.removed.end(), a.begin() + ptrdiff_t(i), a.end());
    out.added.insert(out.added.end(), b.begin() + ptrdiff_t(j), b.end());
  }

  const Json& recorded_;
  const Json& live_;
  Hasher& hasher_;
};

}  // namespace

std::vector<bool> longest_increasing(std::span<const size_t> values) {
  std::vector<size_t> tails, before(values.size());  // indices; tails[l] ends a run of length l + 1
  for (size_t i = 0; i < values.size(); ++i) {
    const auto it = std::lower_bound(tails.begin(), tails.end(), values[i],
                                     [&](size_t t, size_t v) { return values[t] < v; });
    before[i] = it == tails.begin() ? values.size() : *(it - 1);
    if (it == tails.end()) {
      tails.push_back(i);
    } else {
      *it = i;
    }
  }
  std::vector<bool> in(values.size());
  for (size_t i = tails.empty() ? values.size() : tails.back(); i < values.size(); i = before[i]) {
    in[i] = true;
  }
  return in;
}

Alignment align(const Json& recorded, const Json& live, Hasher& hasher) {
  Alignment out;
  if (!align_by_key(recorded, live, out)) SequenceAligner(recorded, live, hasher).run(out);
  return out;
}

}  // namespace reprise::compare
