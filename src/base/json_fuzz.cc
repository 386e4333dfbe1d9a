#include <cstdint>

#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto v = reprise::parse_json({reinterpret_cast<const char*>(data), size});
  (void)v;
  return 0;
}
