#include "wire/codec_test_util.h"
#include "wire/http1/http1.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace reprise;
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  wire::testing::check_promises(wire::http1_entry(), wire::testing::fuzz_script(data, size));
  (void)wire::parse_http(bytes);
  (void)wire::wants_continue(bytes);
  (void)wire::close_delimited(bytes, bytes);
  return 0;
}
