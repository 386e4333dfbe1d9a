// One record of the hook's arena, as an event.
#pragma once

#include "base/bytes.h"
#include "session/event.h"

namespace reprise::capture {

// Parses the record at the front of bytes into event (all but at_ns and the thread) and its stamp into
// time. Returns its size, or 0 if it makes no sense. A type that we do not know gives an event of type
// kNone. For a kProcess event, `offset` carries the inode of the PID namespace.
size_t parse_record(ByteView bytes, session::Event& event, uint64_t& time);

}  // namespace reprise::capture
