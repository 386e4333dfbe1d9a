// Any sequence of events: no crash, and sums that agree.
#include <cstdlib>

#include "session/event_test_util.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  using namespace reprise;
  using namespace reprise::session;
  AssemblerOptions options;
  options.message_limit = 4096;
  session::testing::World w(options);
  const ByteView in(reinterpret_cast<const char*>(input), size);
  const Bytes words[] = {session::testing::request("/a"),
                         session::testing::answer("x"),
                         "*1\r\n$4\r\nPING\r\n",
                         "+PONG\r\n",
                         Bytes("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03\x03", 11),
                         "HTTP/1.1 100 Continue\r\n\r\n"};
  const Bytes addresses[] = {"10.0.0.1:80", "10.0.0.2:80", "unix:/s", "[::1]:80"};
  size_t at = 0;
  const auto next = [&]() -> unsigned { return at < in.size() ? u8(in, at++) : 0; };
  while (at < in.size()) {
    const unsigned code = next(), stream = next() % 6 + 1;
    w.as(100 + next() % 3, 1 + next() % 4);
    Event e = w.at(static_cast<EventType>(code % 15), stream);
    e.kind = static_cast<OpenKind>(next() % 3);
    e.local = *parse_address(addresses[next() % 4]);
    e.peer = *parse_address(addresses[next() % 4]);
    e.transport =
        e.local.family == Address::kUnix ? Transport::kUnix : static_cast<Transport>(next() % 2);
    e.out = code & 16, e.more = code & 32, e.in_progress = code & 64;
    e.parent = 100 + next() % 3;
    e.value = next() % 4;
    if (e.type == EventType::kData) {
      const Bytes& word = words[next() % 6];
      const size_t from = next() % word.size();
      e = w.data(stream, e.out, word.substr(from == 1 ? from : 0));
      if (code & 128) e.offset += next();
    }
    w.assembler.add(e);
    if (next() % 8 == 0) w.wait(int64_t{next()} * 10'000'000);
  }
  w.finish();
  const AssemblerStats s = w.assembler.stats();
  if (s.bytes.bytes_in != s.bytes.delivered + s.bytes.repeated) std::abort();
  if (s.calls != s.calls_in_session + s.calls_ambiguous + s.calls_outside) std::abort();
  if (s.requests != s.sessions || w.assembler.open_streams() != 0) std::abort();
  return 0;
}
