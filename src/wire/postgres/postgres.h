#pragma once

#include "wire/codec.h"

namespace reprise::wire {

ProtocolEntry postgres_entry();

}  // namespace reprise::wire
