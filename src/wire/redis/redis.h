#pragma once

#include "wire/codec.h"

namespace reprise::wire {

ProtocolEntry redis_entry();

}  // namespace reprise::wire
