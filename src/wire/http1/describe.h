// HTTP/1 messages as leaves.
#pragma once

#include "wire/http1/framer.h"
#include "wire/message.h"

namespace reprise::wire::http1 {

// message: the bytes that head was parsed from, or the beginning of them.
Bytes body_of(const Head& head, ByteView message);
Operation describe_request(const Head& head, ByteView message);
Answer describe_answer(ByteView request, const Operation& operation, ByteView answer);

}  // namespace reprise::wire::http1
