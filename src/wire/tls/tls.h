// TLS without plaintext: recognised, never framed. The codec sets a fault at the first byte, so
// that the caller keeps the stream as opaque bytes.
#pragma once

#include <optional>
#include <string>

#include "wire/codec.h"

namespace reprise::wire {

ProtocolEntry tls_entry();

// The server name that a ClientHello asks for (RFC 6066). nullopt: none, or not complete in one
// record.
std::optional<std::string> sni(ByteView client_prefix);

}  // namespace reprise::wire
