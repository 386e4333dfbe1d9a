#pragma once

#include "wire/codec.h"

namespace reprise::wire {

ProtocolEntry tls_entry();

}  // namespace reprise::wire
