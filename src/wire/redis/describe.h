// Redis commands and replies as leaves.
#pragma once

#include "wire/message.h"
#include "wire/redis/resp.h"

namespace reprise::wire::redis {

// "arg.0" is the first argument behind the verb (behind the sub-command of "CLIENT SETNAME").
Operation describe_command(const std::vector<Bytes>& words);
// "value", "value[0]", "value.field" for maps; the flat array that RESP2 gives for HGETALL and
// CONFIG GET is a map too.
Answer describe_reply(ByteView request, const Operation& operation, ByteView reply);

}  // namespace reprise::wire::redis
