#include "wire/codec_test_util.h"
#include "wire/redis/redis.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  reprise::wire::testing::check_promises(reprise::wire::redis_entry(),
                                         reprise::wire::testing::fuzz_script(data, size));
  return 0;
}
