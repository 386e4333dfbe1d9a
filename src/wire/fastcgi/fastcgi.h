#pragma once

#include "wire/codec.h"

namespace reprise::wire {

ProtocolEntry fastcgi_entry();

}  // namespace reprise::wire
