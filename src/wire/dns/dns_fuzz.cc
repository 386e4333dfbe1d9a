#include "wire/codec_test_util.h"
#include "wire/dns/dns.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace reprise;
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  wire::testing::check_promises(wire::dns_entry(), wire::testing::fuzz_script(data, size), true);
  const Bytes answer = wire::dns::make_answer(bytes, {"1.2.3.4", "::1", "x"}, 60);
  const Bytes error = wire::dns::make_error(bytes, wire::dns::kNxDomain);
  // What we answer to a query that parses, parses.
  if (wire::dns::parse(bytes).has_value() != wire::dns::parse(answer).has_value()) __builtin_trap();
  if (answer.empty() != error.empty()) __builtin_trap();
  return 0;
}
