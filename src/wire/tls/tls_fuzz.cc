#include "wire/codec_test_util.h"
#include "wire/tls/tls.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace reprise;
  wire::testing::check_promises(wire::tls_entry(), wire::testing::fuzz_script(data, size));
  (void)wire::sni(ByteView(reinterpret_cast<const char*>(data), size));
  return 0;
}
