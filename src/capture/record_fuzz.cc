// Records of a hostile subject.
#include <cstdlib>

#include "capture/record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  reprise::ByteView in(reinterpret_cast<const char*>(input), size);
  while (!in.empty()) {
    reprise::session::Event e;
    uint64_t time = 0;
    const size_t n = reprise::capture::parse_record(in, e, time);
    if (n == 0) break;
    if (n > in.size() || n < 16) std::abort();
    in.remove_prefix(n);
  }
  return 0;
}
