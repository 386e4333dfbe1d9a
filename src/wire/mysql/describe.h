// Complete MySQL answers, decoded for showing and comparing.
#pragma once

#include "wire/codec.h"
#include "wire/mysql/answer_shape.h"

namespace reprise::wire::mysql {

Answer describe_answer(ByteView request, const Operation& operation, ByteView answer);

// The shape of the answer to a recorded or live request message.
Shape shape_of_request(ByteView request, const Operation& operation);

}  // namespace reprise::wire::mysql
