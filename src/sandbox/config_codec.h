// A StageConfig on its way to the init process.
#pragma once

#include "sandbox/channel.h"
#include "sandbox/stage.h"

namespace reprise::sandbox {

Bytes encode(const StageConfig& config);
Result<StageConfig> decode_config(ByteView bytes);

Fields address_fields(const std::vector<Address>& addresses);
Result<std::vector<Address>> addresses_of(const Fields& fields);

}  // namespace reprise::sandbox
