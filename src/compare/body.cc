#include "compare/body.h"

#include <cctype>
#include <optional>
#include <unordered_map>

#include "compare/json_diff.h"
#include "compare/text_diff.h"
#include "wire/http_fields.h"

namespace reprise::compare {

namespace {

// A parsed element costs a hundred bytes: more than this is compared as text.
constexpr size_t kMaxParsed = 8u << 20;

Json text_value(std::string text) {
  Json v;
  v.type = Json::Type::kString;
  v.text = std::move(text);
  return v;
}

std::optional<Json> parse_document(std::string_view text, std::string_view media) {
  const bool says_json = media.find("json") != media.npos;
  // Many programs send JSON as text/plain or text/html.
  const bool may = media.empty() || media == "text/plain" || media == "text/html";
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos || text.size() > kMaxParsed) return std::nullopt;
  if (!says_json && !(may && (text[first] == '{' || text[first] == '['))) return std::nullopt;
  auto json = parse_json(text);
  if (!json) return std::nullopt;
  return std::move(*json);
}

Json parse_form(std::string_view text) {
  Json out;
  out.type = Json::Type::kObject;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    out.members.push_back(
        {wire::percent_decode(pair.substr(0, equals), true),
         text_value(equals == pair.npos ? ""
                                        : wire::percent_decode(pair.substr(equals + 1), true))});
  }
  return out;
}

Json value_of(const Leaf& leaf) {
  Json v;
  switch (leaf.form) {
    case LeafForm::kNull:
      return v;
    case LeafForm::kNumber:
      v.type = Json::Type::kNumber;
      v.text = leaf.text;
      return v;
    case LeafForm::kBody:
      if (auto json = parse_document(leaf.text, "")) return std::move(*json);
      return text_value(leaf.text);
    case LeafForm::kText:
    case LeafForm::kBinary:
    case LeafForm::kSql:
    case LeafForm::kUrlPath:
      break;
  }
  return text_value(leaf.text);
}

// Length of "[digits]" at `at`, 0 if it does not stand there.
size_t index_length(std::string_view path, size_t at) {
  if (at >= path.size() || path[at] != '[') return 0;
  size_t end = at + 1;
  while (end < path.size() && std::isdigit(static_cast<unsigned char>(path[end]))) ++end;
  return end > at + 1 && end < path.size() && path[end] == ']' ? end + 1 - at : 0;
}

struct Place {
  std::string_view array;   // empty: not within one
  std::string_view index;   // "[3]"
  std::string_view member;  // empty: the element itself
};

Place place_of(std::string_view path) {
  size_t name = 0;
  constexpr std::string_view kResult = "result";
  if (path.substr(0, kResult.size()) == kResult) {
    const size_t n = index_length(path, kResult.size());
    if (n > 0 && kResult.size() + n < path.size()) name = kResult.size() + n + 1;
  }
  const size_t bracket = path.find_first_of(".[", name);
  const size_t n = bracket == path.npos || bracket == name ? 0 : index_length(path, bracket);
  if (n == 0) return {{}, {}, path};
  std::string_view member = path.substr(bracket + n);
  if (!member.empty() && member[0] == '.') member.remove_prefix(1);
  return {path.substr(0, bracket), path.substr(bracket, n), member};
}

}  // namespace

Json tree_of(const Leaves& leaves) {
  Json root;
  root.type = Json::Type::kObject;
  struct Open {
    size_t member = 0;  // of root
    std::string_view index;
  };
  std::unordered_map<std::string_view, Open> arrays;
  for (const Leaf& leaf : leaves) {
    if (leaf.path == "status" || leaf.path == "body" || leaf.path.rfind("header.", 0) == 0)
      continue;
    const Place place = place_of(leaf.path);
    if (place.array.empty()) {
      root.members.push_back({leaf.path, value_of(leaf)});
      continue;
    }
    auto [it, fresh] = arrays.try_emplace(place.array, Open{root.members.size(), {}});
    if (fresh) {
      root.members.push_back({std::string(place.array), Json()});
      root.members.back().second.type = Json::Type::kArray;
    }
    std::vector<Json>& items = root.members[it->second.member].second.items;
    if (place.member.empty()) {
      items.push_back(value_of(leaf));
      it->second.index = {};
      continue;
    }
    if (it->second.index != place.index) {
      items.emplace_back();
      items.back().type = Json::Type::kObject;
      it->second.index = place.index;
    }
    items.back().members.push_back({std::string(place.member), value_of(leaf)});
  }
  return root;
}

void compare_body(const Leaf* recorded, std::string_view recorded_media, const Leaf* live,
                  std::string_view live_media, Findings& findings) {
  if (recorded == nullptr && live == nullptr) return;
  const Findings::Step step(findings, "body");
  if (recorded == nullptr) return findings.add(Kind::kAdded, "", live->text);
  if (live == nullptr) return findings.add(Kind::kRemoved, recorded->text, "");
  const std::string& a = recorded->text;
  const std::string& b = live->text;
  if (a == b) return;
  if (findings.ignored()) return findings.add(Kind::kValue, a, b);
  if (recorded->form == LeafForm::kBody && live->form == LeafForm::kBody) {
    const auto ja = parse_document(a, recorded_media);
    const auto jb = parse_document(b, live_media);
    if (ja && jb) return compare_json(*ja, *jb, findings);
    if ((ja || jb) && a.size() <= kMaxParsed && b.size() <= kMaxParsed) {
      return findings.add(Kind::kType, a, b);
    }
    constexpr std::string_view kForm = "application/x-www-form-urlencoded";
    if (recorded_media == kForm && live_media == kForm && a.size() + b.size() <= kMaxParsed) {
      return compare_json(parse_form(a), parse_form(b), findings);
    }
  }
  compare_text(a, b, findings);
}

}  // namespace reprise::compare
