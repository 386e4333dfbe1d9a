#include "compare/json_diff.h"

#include <algorithm>
#include <unordered_map>

#include "compare/align.h"
#include "compare/text_diff.h"

namespace reprise::compare {

namespace {

constexpr size_t kMaxMovesShown = 8;
constexpr size_t kMaxKey = 60;

// "[id=7]"; the value must not end the bracket.
std::string element(const Json& item, const std::string& key, size_t index) {
  const Json* value = key.empty() ? nullptr : item.get(key);
  if (value == nullptr) return '[' + std::to_string(index) + ']';
  std::string text = shorten(value->text, kMaxKey);
  for (char& c : text) {
    if (c == ']' || static_cast<unsigned char>(c) < 0x20) c = '_';
  }
  return '[' + shorten(key, kMaxKey) + '=' + text + ']';
}

class JsonDiff {
 public:
  explicit JsonDiff(Findings& findings) : findings_(findings) {}

  void value(const Json& a, const Json& b) {
    const Hasher::Hashes ha = hasher_.of(a), hb = hasher_.of(b);
    if (ha.exact == hb.exact && a.type == b.type) return;
    if (findings_.ignored()) return findings_.add(Kind::kValue, brief(a), brief(b));
    if (a.type != b.type) return findings_.add(Kind::kType, brief(a), brief(b));
    switch (a.type) {
      case Json::Type::kNull:
        return;
      case Json::Type::kBool:
        return findings_.add(Kind::kValue, brief(a), brief(b));
      case Json::Type::kNumber:
        if (ha.same != hb.same) return findings_.add(Kind::kValue, a.text, b.text);
        return findings_.forgive(Kind::kValue, a.text, b.text, "the same number");
      case Json::Type::kString:
        return compare_text(a.text, b.text, findings_);
      case Json::Type::kArray:
        return array(a, b);
      case Json::Type::kObject:
        return object(a, b);
    }
  }

 private:
  void object(const Json& a, const Json& b) {
    std::unordered_map<std::string_view, std::vector<size_t>> live;  // of each name, last first
    for (size_t j = b.members.size(); j-- > 0;) live[b.members[j].first].push_back(j);
    std::unordered_map<std::string_view, size_t> seen;
    std::vector<bool> found(b.members.size());
    for (const auto& [name, value_a] : a.members) {
      const Findings::Step step(findings_, segment(name, seen[name]++));
      const auto it = live.find(name);
      if (it == live.end() || it->second.empty()) {
        findings_.add(Kind::kRemoved, brief(value_a), "");
        continue;
      }
      found[it->second.back()] = true;
      value(value_a, b.members[it->second.back()].second);
      it->second.pop_back();
    }
    for (size_t j = 0; j < b.members.size(); ++j) {
      if (found[j]) continue;
      const std::string& name = b.members[j].first;
      const Findings::Step step(findings_, segment(name, seen[name]++));
      findings_.add(Kind::kAdded, "", brief(b.members[j].second));
    }
  }

  std::string segment(std::string_view name, size_t occurrence) const {
    std::string out = Findings::member(name, findings_.at_root());
    if (occurrence > 0) out += '#' + std::to_string(occurrence + 1);
    return out;
  }

  void array(const Json& a, const Json& b) {
    const Alignment aligned = align(a, b, hasher_);
    if (!aligned.moved.empty()) order(a, aligned);
    for (const auto& [i, j] : aligned.pairs) {
      const Findings::Step step(findings_, element(a.items[i], aligned.key, i));
      value(a.items[i], b.items[j]);
    }
    for (const size_t i : aligned.removed) {
      const Findings::Step step(findings_, element(a.items[i], aligned.key, i));
      findings_.add(Kind::kRemoved, brief(a.items[i]), "");
    }
    for (const size_t j : aligned.added) {
      const Findings::Step step(findings_, element(b.items[j], aligned.key, j));
      findings_.add(Kind::kAdded, "", brief(b.items[j]));
    }
  }

  // One finding for all that moved: `[id=3] at 0, [id=7] at 4`.
  void order(const Json& a, const Alignment& aligned) {
    std::string was, is;
    size_t shown = 0;
    for (const auto& [i, j] : aligned.moved) {
      if (shown++ == kMaxMovesShown) break;
      const std::string what = aligned.key.empty() ? shorten(brief(a.items[i]), 40)
                                                   : element(a.items[i], aligned.key, i);
      was += (was.empty() ? "" : ", ") + what + " at " + std::to_string(i);
      is += (is.empty() ? "" : ", ") + what + " at " + std::to_string(j);
    }
    if (aligned.moved.size() > kMaxMovesShown) {
      const std::string more =
          ", " + std::to_string(aligned.moved.size() - kMaxMovesShown) + " more";
      was += more;
      is += more;
    }
    findings_.add(Kind::kOrder, was, is);
  }

  Findings& findings_;
  Hasher hasher_;
};

}  // namespace

void compare_json(const Json& recorded, const Json& live, Findings& findings) {
  JsonDiff(findings).value(recorded, live);
}

}  // namespace reprise::compare
