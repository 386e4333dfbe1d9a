// Records of a hostile file: what decodes, encodes to something that decodes to the same.
#include <cstdlib>

#include "session/encode.h"

namespace {
template <class T, class Decode>
void round_trip(reprise::ByteView in, Decode decode) {
  auto value = decode(in);
  if (!value) return;
  reprise::Bytes once, twice;
  reprise::session::encode(*value, once);
  auto again = decode(once);
  if (!again) std::abort();
  reprise::session::encode(*again, twice);
  if (once != twice) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  using namespace reprise::session;
  const reprise::ByteView in(reinterpret_cast<const char*>(input), size);
  round_trip<Session>(in, decode_session);
  round_trip<Event>(in, decode_event);
  round_trip<Resolution>(in, decode_resolution);
  round_trip<reprise::Address>(in, decode_address);
  return 0;
}
