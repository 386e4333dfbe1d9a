#include "compare/findings.h"

#include <algorithm>

#include "compare/pattern.h"
#include "compare/times.h"

namespace reprise::compare {

namespace {

constexpr size_t kMaxSegment = 100;

void write_brief(const Json& json, JsonWriter& w, const std::string& out) {
  if (out.size() > kMaxShown) {
    w.null();  // keeps the writer in step, is cut off anyway
    return;
  }
  switch (json.type) {
    case Json::Type::kNull:
      w.null();
      break;
    case Json::Type::kBool:
      w.boolean(json.boolean);
      break;
    case Json::Type::kNumber:
      w.raw(shorten(json.text));
      break;
    case Json::Type::kString:
      w.string(shorten(json.text));
      break;
    case Json::Type::kArray:
      w.begin_array();
      for (size_t i = 0; i < json.items.size() && out.size() <= kMaxShown; ++i) {
        write_brief(json.items[i], w, out);
      }
      w.end_array();
      break;
    case Json::Type::kObject:
      w.begin_object();
      for (size_t i = 0; i < json.members.size() && out.size() <= kMaxShown; ++i) {
        w.key(shorten(json.members[i].first));
        write_brief(json.members[i].second, w, out);
      }
      w.end_object();
      break;
  }
}

}  // namespace

std::string shorten(std::string_view text, size_t max) {
  if (text.size() <= max) return std::string(text);
  size_t n = max < 3 ? 0 : max - 3;
  while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80 && max - n < 8) --n;
  return std::string(text.substr(0, n)) + "...";
}

std::string brief(const Json& json) {
  std::string out;
  JsonWriter w(out);
  write_brief(json, w, out);
  return shorten(out);
}

Findings::Step::Step(Findings& findings, std::string_view segment)
    : findings_(findings), length_(findings.path_.size()) {
  findings_.path_ += segment;
}

std::string Findings::member(std::string_view name, bool root) {
  // Codecs name the insides of an element "[1]": that is a path of its own.
  const bool joined = root || (!name.empty() && name[0] == '[');
  return (joined ? "" : ".") + shorten(name, kMaxSegment);
}

const std::string* Findings::ignoring() const {
  for (const std::string& pattern : rules_.ignore) {
    if (!pattern.empty() && covers(pattern, path_)) return &pattern;
  }
  return nullptr;
}

void Findings::add(Kind kind, std::string_view recorded, std::string_view live) {
  if (const std::string* pattern = ignoring()) {
    return forgive(kind, recorded, live, "--ignore " + *pattern);
  }
  if (kind == Kind::kValue && rules_.shift_times &&
      same_moment(recorded, rules_.recorded_ns, live, rules_.live_ns)) {
    return forgive(kind, recorded, live, "shifted time");
  }
  if (++counted_ > kMaxDifferences) {
    if (severity(kind) > severity(worst_)) worst_ = kind;
    return;
  }
  list_.push_back({kind, path_, shorten(recorded), shorten(live), false, {}});
}

void Findings::forgive(Kind kind, std::string_view recorded, std::string_view live,
                       std::string_view rule) {
  if (++forgiven_ > kMaxDifferences) return;
  list_.push_back({kind, path_, shorten(recorded), shorten(live), true, std::string(rule)});
}

std::vector<Difference> Findings::take() {
  if (counted_ > kMaxDifferences) {
    list_.push_back({worst_,
                     "...",
                     {},
                     std::to_string(counted_ - kMaxDifferences) + " more differences",
                     false,
                     {}});
  }
  if (forgiven_ > kMaxDifferences) {
    list_.push_back({Kind::kValue,
                     "...",
                     {},
                     std::to_string(forgiven_ - kMaxDifferences) + " more forgiven differences",
                     true,
                     "the limit of this list"});
  }
  return std::move(list_);
}

}  // namespace reprise::compare
