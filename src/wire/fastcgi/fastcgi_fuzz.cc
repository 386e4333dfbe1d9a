#include "wire/codec_test_util.h"
#include "wire/fastcgi/fastcgi.h"
#include "wire/fastcgi/records.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace reprise;
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  wire::testing::check_promises(wire::fastcgi_entry(), wire::testing::fuzz_script(data, size));
  (void)wire::fastcgi::parse_pairs(bytes);
  if (wire::fastcgi::with_id(bytes, 7).size() != size) __builtin_trap();
  return 0;
}
