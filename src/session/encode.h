// The model in protobuf wire form; the schema is docs/formats/reprise.proto.
#pragma once

#include "base/result.h"
#include "session/event.h"
#include "session/model.h"

namespace reprise::session {

void encode(const Session& session, Bytes& out);
Result<Session> decode_session(ByteView bytes);

void encode(const Event& event, Bytes& out);
Result<Event> decode_event(ByteView bytes);

void encode(const Resolution& resolution, Bytes& out);
Result<Resolution> decode_resolution(ByteView bytes);

void encode(const Address& address, Bytes& out);
Result<Address> decode_address(ByteView bytes);

}  // namespace reprise::session
