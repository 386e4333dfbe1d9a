#include "compare/header_diff.h"

#include <algorithm>
#include <unordered_map>

#include "base/bytes.h"
#include "compare/cookies.h"
#include "compare/pattern.h"

namespace reprise::compare {

namespace {

constexpr std::string_view kPrefix = "header.";

std::string media_of(std::string_view value) {
  return ascii_lower(trim(value.substr(0, value.find(';'))));
}

std::string charset_of(std::string_view value) {
  const std::string lower = ascii_lower(value);
  const size_t at = lower.find("charset=");
  if (at == lower.npos) return {};
  std::string_view rest = std::string_view(lower).substr(at + 8);
  rest = trim(rest.substr(0, rest.find(';')));
  if (rest.size() >= 2 && rest.front() == '"' && rest.back() == '"') {
    rest = rest.substr(1, rest.size() - 2);
  }
  return std::string(rest);
}

class HeaderDiff {
 public:
  HeaderDiff(const Framing& framing, Findings& findings) : framing_(framing), findings_(findings) {}

  // Null: the field is missing on that side. Not both.
  void field(const std::string& name, const Headers::Field* a, const Headers::Field* b) {
    if (name == "content-type") return;  // compared before
    const Findings::Step step(findings_, Findings::member(name, false));
    if (name == "set-cookie") {
      static const std::vector<std::string>& none = *new std::vector<std::string>;
      return compare_cookies(a != nullptr ? a->values : none, b != nullptr ? b->values : none,
                             findings_);
    }
    const std::string was = a != nullptr ? a->joined() : "", is = b != nullptr ? b->joined() : "";
    const Kind kind = a == nullptr ? Kind::kAdded : b == nullptr ? Kind::kRemoved : Kind::kValue;
    if (kind == Kind::kValue && was == is) return;
    if (name == "content-length") return content_length(kind, was, is);
    if (name == "transfer-encoding") return transfer_encoding(kind, was, is);
    // Both speak of the connection between the subject and whoever drives it.
    if (name == "connection" || name == "keep-alive" || name == "proxy-connection") {
      return findings_.forgive(kind, was, is, "hop-by-hop header");
    }
    const auto& names = findings_.rules().volatile_headers;
    if (kind == Kind::kValue && std::any_of(names.begin(), names.end(), [&](const auto& pattern) {
          return glob(pattern, name);
        })) {
      return findings_.forgive(kind, was, is, "volatile header");
    }
    findings_.add(kind, was, is);
  }

 private:
  void content_length(Kind kind, const std::string& was, const std::string& is) {
    const bool explains_a = was == std::to_string(framing_.recorded_body) || kind == Kind::kAdded;
    const bool explains_b = is == std::to_string(framing_.live_body) || kind == Kind::kRemoved;
    if (!explains_a || !explains_b) return findings_.add(kind, was, is);
    findings_.forgive(kind, was, is, kind == Kind::kValue ? "follows from the body" : "framing");
  }
  void transfer_encoding(Kind kind, const std::string& was, const std::string& is) {
    const auto plain = [](const std::string& s) {
      return s.empty() || iequals(s, "chunked") || iequals(s, "identity");
    };
    if (!plain(was) || !plain(is)) return findings_.add(kind, was, is);
    findings_.forgive(kind, was, is, "framing");
  }

  const Framing framing_;
  Findings& findings_;
};

}  // namespace

std::string Headers::Field::joined() const {
  std::string out;
  for (const std::string& v : values) out += (out.empty() ? "" : ", ") + v;
  return out;
}

Headers::Headers(const Leaves& leaves) {
  std::unordered_map<std::string, size_t> where;
  for (const Leaf& leaf : leaves) {
    if (leaf.path.rfind(kPrefix, 0) != 0) continue;
    std::string name = ascii_lower(leaf.path.substr(kPrefix.size()));
    // "[1]" is the number that codecs give to a field that comes again.
    if (const size_t bracket = name.find('['); bracket != name.npos && bracket > 0) {
      if (where.count(name.substr(0, bracket)) > 0) name.resize(bracket);
    }
    const auto [it, fresh] = where.emplace(name, fields_.size());
    if (fresh) fields_.push_back({name, {}});
    fields_[it->second].values.push_back(leaf.text);
  }
}

const Headers::Field* Headers::get(std::string_view name) const {
  for (const Field& f : fields_) {
    if (f.name == name) return &f;
  }
  return nullptr;
}

std::string Headers::media_type() const {
  const Field* f = get("content-type");
  return f == nullptr ? "" : media_of(f->values.front());
}

void compare_content_type(const Headers& recorded, const Headers& live, Findings& findings) {
  const Headers::Field* a = recorded.get("content-type");
  const Headers::Field* b = live.get("content-type");
  const std::string was = a != nullptr ? a->values.front() : "";
  const std::string is = b != nullptr ? b->values.front() : "";
  if (was == is) return;
  const Findings::Step step(findings, "header.content-type");
  if (media_of(was) != media_of(is)) return findings.add(Kind::kContentType, was, is);
  const std::string ca = charset_of(was), cb = charset_of(is);
  if (!ca.empty() && !cb.empty() && ca != cb) return findings.add(Kind::kValue, was, is);
  findings.forgive(Kind::kValue, was, is, "the same media type");
}

void compare_headers(const Headers& recorded, const Headers& live, const Framing& framing,
                     Findings& findings) {
  const Findings::Step step(findings, "header");
  std::unordered_map<std::string_view, const Headers::Field*> before, after;
  for (const Headers::Field& f : recorded.fields()) before.emplace(f.name, &f);
  for (const Headers::Field& f : live.fields()) after.emplace(f.name, &f);
  HeaderDiff diff(framing, findings);
  for (const Headers::Field& f : recorded.fields()) {
    const auto it = after.find(f.name);
    diff.field(f.name, &f, it == after.end() ? nullptr : it->second);
  }
  for (const Headers::Field& f : live.fields()) {
    if (before.count(f.name) == 0) diff.field(f.name, nullptr, &f);
  }
}

}  // namespace reprise::compare
