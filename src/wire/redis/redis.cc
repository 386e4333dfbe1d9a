#include "wire/redis/redis.h"

#include "wire/raw/raw.h"

namespace reprise::wire {

ProtocolEntry redis_entry() {
  ProtocolEntry e = raw_entry();
  e.protocol = Protocol::kRedis;
  e.detect = [](const Prefix&) { return Likelihood::kNo; };
  return e;
}

}  // namespace reprise::wire
