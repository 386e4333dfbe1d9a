#pragma once

#include "wire/codec.h"

namespace reprise::wire {

ProtocolEntry dns_entry();

}  // namespace reprise::wire
