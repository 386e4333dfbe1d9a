#pragma once

#include "wire/codec.h"

namespace reprise::wire {

ProtocolEntry raw_entry();

}  // namespace reprise::wire
