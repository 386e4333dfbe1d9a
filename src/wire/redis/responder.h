#pragma once

#include <memory>

#include "wire/codec.h"

namespace reprise::wire::redis {

std::unique_ptr<Responder> make_responder();

}  // namespace reprise::wire::redis
