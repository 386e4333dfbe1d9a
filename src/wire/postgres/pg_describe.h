// Complete PostgreSQL answers, decoded for showing and comparing.
#pragma once

#include "wire/codec.h"

namespace reprise::wire::postgres {

Answer describe_answer(ByteView request, const Operation& operation, ByteView answer);

}  // namespace reprise::wire::postgres
