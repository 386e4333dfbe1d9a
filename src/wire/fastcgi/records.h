// FastCGI records, name-value pairs, and what a request and an answer hold.
#pragma once

#include <optional>

#include "wire/http_fields.h"

namespace reprise::wire::fastcgi {

enum Type : uint8_t {
  kBeginRequest = 1,
  kAbortRequest = 2,
  kEndRequest = 3,
  kParams = 4,
  kStdin = 5,
  kStdout = 6,
  kStderr = 7,
  kData = 8,
  kGetValues = 9,
  kGetValuesResult = 10,
  kUnknownType = 11,
};
enum RequestRole : uint16_t { kResponder = 1, kAuthorizer = 2, kFilter = 3 };

inline constexpr size_t kHeaderSize = 8;

struct Record {
  uint8_t type = 0;
  uint16_t id = 0;
  ByteView content;  // cut if the bytes end early
};
// Takes the next record off rest. False: no complete header of version 1.
bool next_record(ByteView& rest, Record& record);

// One record, or several if content is longer than a record can hold; padded to 8 bytes.
void put_record(Bytes& out, Type type, uint16_t id, ByteView content);
void put_begin(Bytes& out, uint16_t id, RequestRole role, bool keep_connection);
void put_end(Bytes& out, uint16_t id, uint32_t app_status, uint8_t protocol_status);

// Name-value pairs (section 3.4); what is there until the pairs break.
HttpFields parse_pairs(ByteView content);
void put_pair(Bytes& out, ByteView name, ByteView value);

struct Request {
  uint16_t id = 0;
  uint16_t role = 0;
  bool keep_connection = false;
  HttpFields params;
  Bytes body;
};
// nullopt: does not start with BEGIN_REQUEST.
std::optional<Request> parse_request(ByteView message);

struct Response {
  Bytes out, err;
  bool ended = false;  // END_REQUEST is there
  uint32_t app_status = 0;
  uint8_t protocol_status = 0;
  // Of out:
  int status = 200;
  Bytes reason;
  HttpFields headers;
  Bytes body;
};
Response parse_response(ByteView message);

// The same records with another request id.
Bytes with_id(ByteView message, uint16_t id);

}  // namespace reprise::wire::fastcgi
