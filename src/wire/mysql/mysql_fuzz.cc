// The input is a script of feeds: a byte of direction and length, then that many bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "wire/mysql/mysql.h"

using namespace reprise;
using namespace reprise::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteView in(reinterpret_cast<const char*>(data), size);
  const ProtocolEntry entry = mysql_entry();
  CodecOptions options;
  options.message_limit = 4096;
  const auto codec = entry.make_codec(options);
  const auto responder = entry.make_responder();
  std::vector<Message> out;
  while (in.size() > 2) {
    const unsigned op = u8(in, 0);
    const ByteView part = in.substr(2, u8(in, 1));
    in.remove_prefix(2 + part.size());
    const Dir dir = (op & 1) != 0 ? Dir::kRequest : Dir::kResponse;
    if ((op & 0xf0) == 0xf0) {
      codec->gap(dir, part.size() + 1, 1, out);
    } else {
      codec->feed(dir, part, 1, out);
    }
  }
  codec->finish(Dir::kRequest, 1, out);
  codec->finish(Dir::kResponse, 1, out);
  entry.detect({ByteView(reinterpret_cast<const char*>(data), size), {}, false, 3306});
  entry.detect({{}, ByteView(reinterpret_cast<const char*>(data), size), true, 3306});
  const Message* request = nullptr;
  uint64_t at[2] = {0, 0};
  for (const Message& m : out) {
    uint64_t& last = at[static_cast<size_t>(m.dir)];
    if (m.begin < last || m.end < m.begin) std::abort();
    last = m.end;
    if (m.dir == Dir::kRequest) request = &m;
    if (m.role == Role::kGreeting) responder->greeting(m.bytes);
    if (m.role != Role::kAnswer || request == nullptr) continue;
    entry.describe_answer(request->bytes, request->operation, m.bytes);
    (void)responder->template_answer(*request, m.bytes);
    (void)responder->adapt(*request, request->bytes, m.bytes);
    responder->error(*request, "x");
  }
  return 0;
}
