#include "value/refine.h"

#include <algorithm>
#include <cctype>

#include "base/bytes.h"
#include "value/shape.h"
#include "value/sql.h"

namespace reprise::value {

namespace {

bool is_open_segment(std::string_view s) {
  return std::any_of(s.begin(), s.end(), [](unsigned char c) { return std::isdigit(c); });
}

void split_path(std::string_view path, const auto& visit) {
  size_t at = 0;
  while (at <= path.size()) {
    size_t end = path.find('/', at);
    if (end == std::string_view::npos) end = path.size();
    visit(path.substr(at, end - at));
    at = end + 1;
  }
}

std::string content_type(const Leaves& leaves) {
  for (const Leaf& leaf : leaves) {
    if (iequals(leaf.path, "header.content-type") || leaf.path == "param.CONTENT_TYPE") {
      return ascii_lower(leaf.text.substr(0, leaf.text.find(';')));
    }
  }
  return {};
}

std::string form_decode(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    const auto hex = [&](size_t k) {
      const char c = k < s.size() ? s[k] : 'x';
      return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                          : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    };
    if (s[i] == '%' && hex(i + 1) >= 0 && hex(i + 2) >= 0) {
      out += static_cast<char>(hex(i + 1) * 16 + hex(i + 2));
      i += 2;
    } else {
      out += s[i] == '+' ? ' ' : s[i];
    }
  }
  return out;
}

void flatten_form(std::string_view body, const Leaf& leaf, Leaves& out) {
  while (!body.empty()) {
    const std::string_view pair = body.substr(0, body.find('&'));
    body.remove_prefix(std::min(body.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    out.push_back({leaf.path + "." + form_decode(pair.substr(0, equals)),
                   equals == std::string_view::npos ? "" : form_decode(pair.substr(equals + 1)),
                   LeafForm::kText, leaf.cls});
  }
}

bool is_text(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](unsigned char c) {
    return c >= 0x20 || c == '\n' || c == '\r' || c == '\t';
  });
}

void open_body(const Leaf& leaf, const std::string& type, Leaves& out) {
  const bool says_json = type.find("json") != std::string::npos;
  const char first = leaf.text.empty() ? '\0' : leaf.text[leaf.text.find_first_not_of(" \r\n\t") ==
                                                                  std::string::npos
                                                              ? 0
                                                              : leaf.text.find_first_not_of(" \r\n\t")];
  if (says_json || (type.empty() && (first == '{' || first == '['))) {
    if (auto json = parse_json(leaf.text)) {
      flatten(*json, leaf.path, leaf.cls, out);
      return;
    }
  }
  if (type == "application/x-www-form-urlencoded") {
    flatten_form(leaf.text, leaf, out);
    return;
  }
  out.push_back({leaf.path, leaf.text, is_text(leaf.text) ? LeafForm::kText : LeafForm::kBinary, leaf.cls});
}

}  // namespace

std::string path_template(std::string_view path) {
  std::string out;
  bool first = true;
  split_path(path, [&](std::string_view s) {
    if (!first) out += '/';
    first = false;
    out += is_open_segment(s) ? std::string_view("{}") : s;
  });
  return out;
}

void flatten(const Json& json, const std::string& path, LeafClass cls, Leaves& out) {
  switch (json.type) {
    case Json::Type::kNull: out.push_back({path, "", LeafForm::kNull, cls}); break;
    case Json::Type::kBool:
      out.push_back({path, json.boolean ? "true" : "false", LeafForm::kText, cls});
      break;
    case Json::Type::kNumber: out.push_back({path, json.text, LeafForm::kNumber, cls}); break;
    case Json::Type::kString: out.push_back({path, json.text, LeafForm::kText, cls}); break;
    case Json::Type::kArray:
      if (json.items.empty()) out.push_back({path, "[]", LeafForm::kText, cls});
      for (size_t i = 0; i < json.items.size(); ++i) {
        flatten(json.items[i], path + "[" + std::to_string(i) + "]", cls, out);
      }
      break;
    case Json::Type::kObject:
      if (json.members.empty()) out.push_back({path, "{}", LeafForm::kText, cls});
      for (const auto& [key, value] : json.members) flatten(value, path + "." + key, cls, out);
      break;
  }
}

Refined refine(const Leaves& leaves) {
  Refined r;
  const std::string type = content_type(leaves);
  for (const Leaf& leaf : leaves) {
    switch (leaf.form) {
      case LeafForm::kUrlPath: {
        r.shape += (r.shape.empty() ? "" : " ") + path_template(leaf.text);
        size_t i = 0;
        split_path(leaf.text, [&](std::string_view s) {
          if (is_open_segment(s)) {
            r.leaves.push_back({leaf.path + "[" + std::to_string(i) + "]", std::string(s),
                                LeafForm::kText, leaf.cls});
          }
          ++i;
        });
        break;
      }
      case LeafForm::kSql: {
        r.shape += (r.shape.empty() ? "" : "; ") + sql_fingerprint(leaf.text);
        size_t i = 0;
        for (std::string& literal : sql_literals(leaf.text)) {
          r.leaves.push_back({leaf.path + ".literal[" + std::to_string(i++) + "]", std::move(literal),
                              LeafForm::kText, leaf.cls});
        }
        break;
      }
      case LeafForm::kBody: open_body(leaf, type, r.leaves); break;
      default: r.leaves.push_back(leaf);
    }
  }
  return r;
}

}  // namespace reprise::value
