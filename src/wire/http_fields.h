// Header fields, query strings and request targets, as HTTP/1 and CGI (FastCGI) share them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/leaf.h"

namespace reprise::wire {

// In the order and the case of the wire; values trimmed, folded lines joined by one space.
using HttpFields = std::vector<std::pair<std::string, std::string>>;

// Length of the header block at the start of bytes, its empty line included; lines may end in LF or
// CRLF. nullopt: it does not end within bytes.
std::optional<size_t> header_block_length(ByteView bytes);

// The fields of a block of lines; a line without a colon is left out. Stops at an empty line.
HttpFields parse_fields(ByteView block);

// The first field of that name, ASCII case folded; null if there is none.
const std::string* find_field(const HttpFields& fields, std::string_view name);

// True if a field of that name lists the token (comma separated, case folded): "Connection: close".
bool field_has_token(const HttpFields& fields, std::string_view name, std::string_view token);

// %XX decoded; a broken escape stays as it is. With plus, '+' is a space (query strings).
std::string percent_decode(std::string_view text, bool plus);

struct TargetParts {
  std::string_view path;   // "/user/17"; the whole target for "*" and "host:port"
  std::string_view query;  // without '?'
  bool has_query = false;
};
// Splits origin form and absolute form ("http://host/path?query"); views into target.
TargetParts split_target(std::string_view target);

// Gives the second and later leaf of a name its number: "query.tag", "query.tag[1]".
class LeafNames {
 public:
  std::string unique(std::string path);

 private:
  std::unordered_map<std::string, size_t> seen_;
};

// "query.NAME" for each parameter, decoded, identity.
void add_query_leaves(std::string_view query, LeafNames& names, Leaves& leaves);
// "header.NAME" in lower case for each field, context.
void add_header_leaves(const HttpFields& fields, LeafNames& names, Leaves& leaves);
// "body", payload, unless it is empty. A body with a content coding stays as it is, as kBinary.
void add_body_leaf(const HttpFields& fields, Bytes body, Leaves& leaves);

// "gzip" of "Content-Encoding: gzip"; empty for none and for identity.
std::string content_coding(const HttpFields& fields);

bool is_safe_method(std::string_view method);  // GET, HEAD, OPTIONS, TRACE

// The usual reason phrase; "" for a status without one.
const char* reason_phrase(int status);

}  // namespace reprise::wire
