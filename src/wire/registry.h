// All protocols of the house, and detection among them.
#pragma once

#include <span>

#include "wire/codec.h"

namespace reprise::wire {

std::span<const ProtocolEntry> all_protocols();
const ProtocolEntry& entry(Protocol p);  // raw for kUnknown

struct Detection {
  Protocol protocol = Protocol::kUnknown;
  Likelihood confidence = Likelihood::kNeedMore;
};
// kNeedMore: ask again with more bytes. Never kNeedMore once either side of prefix holds 64 KiB.
Detection detect(const Prefix& prefix);

}  // namespace reprise::wire
