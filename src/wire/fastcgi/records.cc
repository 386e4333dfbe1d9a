#include "wire/fastcgi/records.h"

#include <algorithm>
#include <charconv>

namespace reprise::wire::fastcgi {

namespace {

constexpr size_t kMaxContent = 0xfff8;  // a multiple of 8: full records need no padding

// One or four bytes (the high bit set); nullopt if they are not there.
std::optional<uint32_t> take_length(ByteView& rest) {
  if (rest.empty()) return std::nullopt;
  const uint8_t first = u8(rest, 0);
  if (first < 0x80) {
    rest.remove_prefix(1);
    return first;
  }
  if (rest.size() < 4) return std::nullopt;
  const uint32_t length = be32(rest, 0) & 0x7fffffff;
  rest.remove_prefix(4);
  return length;
}

void put_length(Bytes& out, size_t length) {
  if (length < 0x80) {
    put_u8(out, unsigned(length));
  } else {
    put_be32(out, uint32_t(length) | 0x80000000u);
  }
}

// The CGI header block (RFC 3875 section 6): no status line, a Status field instead.
void split_cgi(Response& r) {
  const auto length = header_block_length(r.out);
  if (!length) {
    r.body = r.out;
    return;
  }
  r.headers = parse_fields(ByteView(r.out).substr(0, *length));
  r.body = r.out.substr(*length);
  const std::string* status = find_field(r.headers, "status");
  if (status != nullptr) {
    int code = 0;
    const auto [end, ec] = std::from_chars(status->data(), status->data() + status->size(), code);
    if (ec == std::errc() && code >= 100 && code <= 999) {
      r.status = code;
      r.reason = trim(ByteView(*status).substr(size_t(end - status->data())));
    }
  } else if (find_field(r.headers, "location") != nullptr) {
    r.status = 302;
  }
  if (r.reason.empty()) r.reason = reason_phrase(r.status);
}

}  // namespace

bool next_record(ByteView& rest, Record& record) {
  if (rest.size() < kHeaderSize || rest[0] != 1) return false;
  record.type = u8(rest, 1);
  record.id = be16(rest, 2);
  const size_t length = be16(rest, 4);
  record.content = rest.substr(kHeaderSize, length);
  rest.remove_prefix(std::min(rest.size(), kHeaderSize + length + u8(rest, 6)));
  return true;
}

void put_record(Bytes& out, Type type, uint16_t id, ByteView content) {
  do {
    const ByteView part = content.substr(0, kMaxContent);
    const size_t padding = (8 - part.size() % 8) % 8;
    put_u8(out, 1);
    put_u8(out, type);
    put_be16(out, id);
    put_be16(out, unsigned(part.size()));
    put_u8(out, unsigned(padding));
    put_u8(out, 0);
    out.append(part);
    out.append(padding, '\0');
    content.remove_prefix(part.size());
  } while (!content.empty());
}

void put_begin(Bytes& out, uint16_t id, RequestRole role, bool keep_connection) {
  Bytes content;
  put_be16(content, role);
  put_u8(content, keep_connection ? 1 : 0);
  content.append(5, '\0');
  put_record(out, kBeginRequest, id, content);
}

void put_end(Bytes& out, uint16_t id, uint32_t app_status, uint8_t protocol_status) {
  Bytes content;
  put_be32(content, app_status);
  put_u8(content, protocol_status);
  content.append(3, '\0');
  put_record(out, kEndRequest, id, content);
}

HttpFields parse_pairs(ByteView content) {
  HttpFields pairs;
  while (!content.empty()) {
    const auto name = take_length(content);
    const auto value = name ? take_length(content) : std::nullopt;
    if (!value || *name > content.size() || *value > content.size() - *name) break;
    pairs.emplace_back(content.substr(0, *name), content.substr(*name, *value));
    content.remove_prefix(size_t{*name} + *value);
  }
  return pairs;
}

void put_pair(Bytes& out, ByteView name, ByteView value) {
  put_length(out, name.size());
  put_length(out, value.size());
  out.append(name).append(value);
}

std::optional<Request> parse_request(ByteView message) {
  Record record;
  if (!next_record(message, record) || record.type != kBeginRequest || record.content.size() < 3) {
    return std::nullopt;
  }
  Request request;
  request.id = record.id;
  request.role = be16(record.content, 0);
  request.keep_connection = (u8(record.content, 2) & 1) != 0;
  Bytes params;
  while (next_record(message, record)) {
    if (record.id != request.id) continue;
    if (record.type == kParams) params.append(record.content);
    if (record.type == kStdin) request.body.append(record.content);
  }
  request.params = parse_pairs(params);
  return request;
}

Response parse_response(ByteView message) {
  Response r;
  Record record;
  while (next_record(message, record)) {
    if (record.type == kStdout) r.out.append(record.content);
    if (record.type == kStderr) r.err.append(record.content);
    if (record.type == kEndRequest && record.content.size() >= 5) {
      r.ended = true;
      r.app_status = be32(record.content, 0);
      r.protocol_status = u8(record.content, 4);
    }
  }
  split_cgi(r);
  return r;
}

Bytes with_id(ByteView message, uint16_t id) {
  Bytes out(message);
  ByteView rest = message;
  Record record;
  for (;;) {
    const size_t at = message.size() - rest.size();
    if (!next_record(rest, record)) return out;
    if (record.id == 0) continue;  // management
    out[at + 2] = char(id >> 8);
    out[at + 3] = char(id);
  }
}

}  // namespace reprise::wire::fastcgi
