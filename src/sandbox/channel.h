// Messages between a Stage and its init: a list of byte strings, with descriptors beside it, one
// message a packet of a SOCK_SEQPACKET pair.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/file.h"

namespace reprise::sandbox {

using Fields = std::vector<std::string>;

Bytes pack(const Fields& fields);
Result<Fields> unpack(ByteView bytes);

struct Message {
  Fields fields;        // the first names the request, or is "ok" or "error"
  std::vector<Fd> fds;  // at most kMaxFds
};

inline constexpr size_t kMaxFds = 250;            // SCM_MAX_FD is 253
inline constexpr size_t kMaxMessage = 128 << 10;  // well under the default socket buffer

Status send(int channel, const Message& message);
// Fails on time-out and when the other side is gone.
Result<Message> receive(int channel, std::chrono::milliseconds timeout);

}  // namespace reprise::sandbox
