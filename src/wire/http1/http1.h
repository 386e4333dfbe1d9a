// HTTP/1.0 and 1.1. Exchanges are numbered when the head of a request is complete, so an answer
// that comes before the end of its request (100, 413) is paired and emitted before the request
// itself. After 101 or a 2xx to CONNECT the next byte of either direction is a fault: the stream is
// no longer HTTP and the caller takes it from there as raw.
#pragma once

#include <optional>
#include <string>

#include "wire/codec.h"
#include "wire/http_fields.h"

namespace reprise::wire {

ProtocolEntry http1_entry();

struct HttpView {
  bool response = false;
  int status = 0;              // of a response
  std::string method, target;  // of a request
  HttpFields headers;          // order and case of the wire
  Bytes body;                  // chunks joined, content coding kept
};
// One message. nullopt: no complete head. A body that was cut is what is there.
std::optional<HttpView> parse_http(ByteView message);

// True if the client waits for "100 Continue" before it sends the body: partial_request is a
// complete head with Expect: 100-continue and nothing behind it.
bool wants_continue(ByteView partial_request);

// True if the server must close the connection after this answer, because the end of the stream is
// the end of its body or because it says so (Connection: close, HTTP/1.0 without keep-alive).
bool close_delimited(ByteView request, ByteView answer);

}  // namespace reprise::wire
