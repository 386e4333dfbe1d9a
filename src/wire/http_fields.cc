#include "wire/http_fields.h"

#include <algorithm>

namespace reprise::wire {

namespace {

// The next line of rest without its end, and rest behind it. The last line may lack its LF.
std::string_view take_line(std::string_view& rest) {
  const size_t lf = rest.find('\n');
  std::string_view line = rest.substr(0, lf);
  rest.remove_prefix(lf == std::string_view::npos ? rest.size() : lf + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<size_t> header_block_length(ByteView bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    const size_t lf = bytes.find('\n', at);
    if (lf == ByteView::npos) return std::nullopt;
    const size_t length = lf - at;
    if (length == 0 || (length == 1 && bytes[at] == '\r')) return lf + 1;
    at = lf + 1;
  }
  return std::nullopt;
}

HttpFields parse_fields(ByteView block) {
  HttpFields fields;
  bool folds = false;  // the line before was a field, so a folded line continues it
  while (!block.empty()) {
    const std::string_view line = take_line(block);
    if (line.empty()) break;
    if (line[0] == ' ' || line[0] == '\t') {
      if (folds) fields.back().second.append(" ").append(trim(line));
      continue;
    }
    const size_t colon = line.find(':');
    folds = colon != std::string_view::npos && colon > 0;
    if (!folds) continue;
    fields.emplace_back(trim(line.substr(0, colon)), trim(line.substr(colon + 1)));
  }
  return fields;
}

const std::string* find_field(const HttpFields& fields, std::string_view name) {
  for (const auto& [key, value] : fields) {
    if (iequals(key, name)) return &value;
  }
  return nullptr;
}

bool field_has_token(const HttpFields& fields, std::string_view name, std::string_view token) {
  for (const auto& [key, value] : fields) {
    if (!iequals(key, name)) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      if (iequals(trim(rest.substr(0, comma)), token)) return true;
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
  }
  return false;
}

std::string percent_decode(std::string_view text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
        continue;
      }
    }
    out.push_back(plus && text[i] == '+' ? ' ' : text[i]);
  }
  return out;
}

TargetParts split_target(std::string_view target) {
  const size_t scheme = target.find("://");
  if (scheme != std::string_view::npos && scheme > 0 && scheme < target.find_first_of("/?")) {
    const size_t path = target.find_first_of("/?", scheme + 3);
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  TargetParts parts;
  const size_t mark = target.find('?');
  parts.path = target.substr(0, mark);
  if (parts.path.empty()) parts.path = "/";
  parts.has_query = mark != std::string_view::npos;
  if (parts.has_query) parts.query = target.substr(mark + 1);
  return parts;
}

std::string LeafNames::unique(std::string path) {
  for (;;) {
    const size_t before = seen_[path]++;
    if (before == 0) return path;
    std::string numbered = path + '[' + std::to_string(before) + ']';
    // A parameter may be called "tag[1]" by itself.
    if (seen_.emplace(numbered, 1).second) return numbered;
  }
}

void add_query_leaves(std::string_view query, LeafNames& names, Leaves& leaves) {
  while (!query.empty()) {
    const size_t amp = query.find('&');
    const std::string_view pair = query.substr(0, amp);
    query.remove_prefix(amp == std::string_view::npos ? query.size() : amp + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    leaves.push_back({names.unique("query." + percent_decode(pair.substr(0, equals), true)),
                      percent_decode(value, true), LeafForm::kText, LeafClass::kIdentity});
  }
}

void add_header_leaves(const HttpFields& fields, LeafNames& names, Leaves& leaves) {
  for (const auto& [key, value] : fields) {
    leaves.push_back(
        {names.unique("header." + ascii_lower(key)), value, LeafForm::kText, LeafClass::kContext});
  }
}

void add_body_leaf(const HttpFields& fields, Bytes body, Leaves& leaves) {
  if (body.empty()) return;
  const LeafForm form = content_coding(fields).empty() ? LeafForm::kBody : LeafForm::kBinary;
  leaves.push_back({"body", std::move(body), form, LeafClass::kPayload});
}

std::string content_coding(const HttpFields& fields) {
  const std::string* value = find_field(fields, "content-encoding");
  if (value == nullptr || iequals(*value, "identity")) return {};
  return *value;
}

bool is_safe_method(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "";
  }
}

}  // namespace reprise::wire
