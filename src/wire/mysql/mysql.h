#pragma once

#include "wire/codec.h"

namespace reprise::wire {

ProtocolEntry mysql_entry();

}  // namespace reprise::wire
