#include "compare/cookies.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "compare/times.h"
#include "value/shape.h"

namespace reprise::compare {

namespace {

struct Cookie {
  std::string name;
  std::string value;
  std::map<std::string, std::string> attributes;  // names in lower case
};

std::pair<std::string, std::string> split(std::string_view part) {
  const size_t equals = part.find('=');
  return {std::string(trim(part.substr(0, equals))),
          equals == part.npos ? "" : std::string(trim(part.substr(equals + 1)))};
}

Cookie parse(std::string_view text) {
  Cookie c;
  std::tie(c.name, c.value) = split(text.substr(0, text.find(';')));
  while (text.find(';') != text.npos) {
    text.remove_prefix(text.find(';') + 1);
    auto [name, value] = split(text.substr(0, text.find(';')));
    if (!name.empty()) c.attributes[ascii_lower(name)] = value;
  }
  return c;
}

// Session ids and signed tokens. Beyond the shapes: 20 or more characters without a space in which
// letters and digits alternate, as PHP's "q8v3k0..." and Express's "s%3A...".
bool is_volatile(std::string_view value) {
  if (value::shape_of(value, 0) != value::Shape::kPlain) return true;
  if (value.size() < 20) return false;
  size_t turns = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const auto c = static_cast<unsigned char>(value[i]);
    if (c <= ' ' || c >= 0x7f) return false;
    if (i > 0)
      turns +=
          (std::isdigit(c) != 0) != (std::isdigit(static_cast<unsigned char>(value[i - 1])) != 0);
  }
  return turns >= 4;
}

// An Expires in the past deletes the cookie: that it does is no matter of the clock.
bool deletes(const std::string& expires) {
  constexpr int64_t kYear2000 = int64_t{946684800} * 1000000000;
  const auto when = parse_time(expires, 0);
  return when && *when < kYear2000;
}

void compare_attributes(const Cookie& a, const Cookie& b, Findings& findings) {
  for (const auto& [name, value] : a.attributes) {
    const Findings::Step step(findings, Findings::member(name, false));
    const auto it = b.attributes.find(name);
    if (it == b.attributes.end()) {
      findings.add(Kind::kRemoved, value, "");
    } else if (iequals(value, it->second) && (name != "path" || value == it->second)) {
      continue;
    } else if (name == "expires" && deletes(value) == deletes(it->second) && parse_time(value, 0) &&
               parse_time(it->second, 0)) {
      findings.forgive(Kind::kValue, value, it->second, "volatile time");
    } else {
      findings.add(Kind::kValue, value, it->second);
    }
  }
  for (const auto& [name, value] : b.attributes) {
    if (a.attributes.count(name) > 0) continue;
    const Findings::Step step(findings, Findings::member(name, false));
    findings.add(Kind::kAdded, "", value);
  }
}

}  // namespace

void compare_cookies(const std::vector<std::string>& recorded, const std::vector<std::string>& live,
                     Findings& findings) {
  std::map<std::string, std::vector<Cookie>> after;  // of each name, last first
  for (size_t j = live.size(); j-- > 0;) {
    Cookie c = parse(live[j]);
    after[c.name].push_back(std::move(c));
  }
  for (const std::string& text : recorded) {
    const Cookie a = parse(text);
    const Findings::Step step(findings, Findings::member(a.name, false));
    const auto it = after.find(a.name);
    if (it == after.end() || it->second.empty()) {
      findings.add(Kind::kRemoved, text, "");
      continue;
    }
    const Cookie b = std::move(it->second.back());
    it->second.pop_back();
    if (a.value != b.value) {
      if (is_volatile(a.value) && is_volatile(b.value)) {
        findings.forgive(Kind::kValue, a.value, b.value, "volatile cookie value");
      } else {
        findings.add(Kind::kValue, a.value, b.value);
      }
    }
    compare_attributes(a, b, findings);
  }
  for (const std::string& text : live) {
    const Cookie c = parse(text);
    const auto it = after.find(c.name);
    if (it == after.end() || it->second.empty()) continue;
    it->second.pop_back();
    const Findings::Step step(findings, Findings::member(c.name, false));
    findings.add(Kind::kAdded, "", text);
  }
}

}  // namespace reprise::compare
