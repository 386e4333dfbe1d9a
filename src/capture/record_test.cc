#include "capture/record.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "hook/abi/arena.h"

namespace reprise::capture {
namespace {

using session::Event;
using session::EventType;

template <class Body>
Bytes record(hook::RecordType type, const Body& body, ByteView payload = {}, uint8_t flags = 0) {
  const hook::RecordHeader h = {static_cast<uint16_t>(sizeof(h) + sizeof body + payload.size()),
                                type, flags, 4, 99};
  Bytes out(reinterpret_cast<const char*>(&h), sizeof h);
  out.append(reinterpret_cast<const char*>(&body), sizeof body);
  return out.append(payload);
}

std::vector<Bytes> samples() {
  hook::OpenBody open = {};
  open.stream = 5, open.kind = hook::kOpenConnect, open.transport = hook::kTcp, open.error = 111;
  open.peer.family = AF_INET, open.peer.port = 80, open.peer.bytes[0] = 10, open.peer.bytes[3] = 2;
  open.local.family = AF_INET6, open.local.port = 81, open.local.bytes[15] = 1;
  hook::ListenBody listen = {};
  listen.local.family = AF_UNIX, listen.local.length = 3, listen.transport = hook::kUnix;
  memcpy(listen.local.bytes, "\0ab", 3);
  hook::IpBody ip = {};
  ip.family = AF_INET, ip.bytes[0] = 1;
  Bytes name("name\0\0\0\0", 8);
  name.append(reinterpret_cast<const char*>(&ip), sizeof ip);
  return {
      record(hook::kRecordOpen, open),
      record(hook::kRecordListen, listen),
      record(hook::kRecordData, hook::DataBody{5, 7}, "bytes", hook::kFlagOut | hook::kFlagMore),
      record(hook::kRecordResolve, hook::ResolveBody{0, 4, 1}, name),
      record(hook::kRecordError, hook::StreamBody{5, 104, 0}),
      record(hook::kRecordUnseen, hook::StreamBody{5, 1000, 8}),
      record(hook::kRecordGap, hook::GapBody{3, 500, 0, 0}),
      record(hook::kRecordProcess, hook::ProcessBody{20, 10, 1, 0, 4711})};
}

TEST(Record, EveryTypeIsUnderstood) {
  std::vector<Event> e;
  for (const Bytes& b : samples()) {
    uint64_t time = 0;
    e.emplace_back();
    ASSERT_EQ(parse_record(b, e.back(), time), b.size());
    EXPECT_EQ(time, 99u);
  }
  EXPECT_EQ(to_string(e[0].peer), "10.0.0.2:80");
  EXPECT_EQ(to_string(e[0].local), "[::1]:81");
  EXPECT_EQ(e[0].value, 111);
  EXPECT_EQ(to_string(e[1].local), "unix:@ab");
  EXPECT_EQ(e[2].data, "bytes");
  EXPECT_TRUE(e[2].out && e[2].more);
  EXPECT_EQ(e[3].data, "name");
  EXPECT_EQ(e[3].addresses.at(0).ip_or_path, "1.0.0.0");
  EXPECT_EQ(e[4].value, 104);
  EXPECT_EQ(e[5].offset, 8u);
  EXPECT_EQ(e[6].offset, 3u);
  EXPECT_EQ(e[7].pid, 20u);
  EXPECT_EQ(e[7].parent, 10u);
}

TEST(Record, TruncatedOrFlippedBytesNeverCrashNorReachBeyond) {
  for (const Bytes& b : samples()) {
    for (size_t n = 0; n < b.size(); ++n) {
      Event e;
      uint64_t time = 0;
      EXPECT_EQ(parse_record(ByteView(b).substr(0, n), e, time), 0u);
      for (int bit = 0; bit < 8; ++bit) {
        Bytes flipped = b;
        flipped[n] = static_cast<char>(b[n] ^ (1 << bit));
        Event f;
        EXPECT_LE(parse_record(flipped, f, time), flipped.size());
        EXPECT_LE(f.data.size(), b.size());
      }
    }
  }
}

TEST(Record, AnUnknownTypeIsPassedOver) {
  Bytes b = record(static_cast<hook::RecordType>(200), hook::StreamBody{});
  Event e;
  uint64_t time = 0;
  EXPECT_EQ(parse_record(b, e, time), b.size());
  EXPECT_EQ(e.type, EventType::kNone);
}

TEST(Record, AnOffsetThatNoStreamReachesIsDamage) {
  Event e;
  uint64_t time = 0;
  EXPECT_EQ(
      parse_record(record(hook::kRecordData, hook::DataBody{1, UINT64_MAX - 1}, "xx"), e, time),
      0u);
}

}  // namespace
}  // namespace reprise::capture
