#include "session/encode.h"

#include <gtest/gtest.h>

namespace reprise::session {
namespace {

Call full_call() {
  Call c;
  c.kind = CallKind::kGreeting, c.protocol = wire::Protocol::kMysql, c.transport = Transport::kUnix;
  c.stream = 77, c.exchange = 3, c.pid = 9, c.thread = 10;
  c.peer = *parse_address("unix:@abstract"), c.local = *parse_address("[::1]:80");
  c.request_ns = -5, c.request_end_ns = 6, c.answer_ns = 7, c.answer_end_ns = 8;
  c.request = Bytes("a\0b", 3), c.interim = "i", c.answer = "\xff";
  c.request_size = 100, c.answer_size = 200, c.request_digest = "d1", c.answer_digest = "d2";
  c.answered = c.incomplete = true;
  c.error = 111;
  c.operation = {"GET",
                 "GET /",
                 wire::Effect::kRead,
                 wire::Tier::kSetup,
                 {{"p", "t", LeafForm::kSql, LeafClass::kPayload},
                  {"", "", LeafForm::kText, LeafClass::kIdentity}}};
  c.confidence = Confidence::kAmbiguous, c.evidence = Evidence::kWindow;
  c.candidates = {1, 2, UINT64_MAX};
  c.linked_session = 5;
  return c;
}

Session full_session() {
  Session s;
  s.id = UINT64_MAX, s.parent = 4, s.incomplete = true;
  s.inbound = full_call();
  s.calls = {full_call(), Call{}};
  return s;
}

TEST(Encode, SessionsComeBackWhole) {
  Bytes bytes, again;
  encode(full_session(), bytes);
  const auto back = decode_session(bytes);
  ASSERT_TRUE(back);
  encode(*back, again);
  EXPECT_EQ(bytes, again);
  EXPECT_EQ(back->inbound.candidates, (std::vector<uint64_t>{1, 2, UINT64_MAX}));
  EXPECT_EQ(back->inbound.request_ns, -5);
  EXPECT_EQ(back->inbound.peer, full_call().peer);
  EXPECT_EQ(back->inbound.operation.leaves.size(), 2u);
  EXPECT_EQ(back->calls.size(), 2u);
}

TEST(Encode, EventsComeBackWhole) {
  Event e;
  e.type = EventType::kOpen, e.at_ns = -1, e.thread = 1, e.pid = 2, e.tid = 3, e.parent = 4,
  e.stream = 5;
  e.offset = 6, e.out = e.more = e.in_progress = true, e.kind = OpenKind::kAdopted,
  e.transport = Transport::kUnix;
  e.value = -7, e.local = *parse_address("unix:/a"), e.peer = *parse_address("1.2.3.4:5");
  e.addresses = {*parse_address("1.1.1.1:0")}, e.data = Bytes(1, '\0');
  Bytes bytes, again;
  encode(e, bytes);
  const auto back = decode_event(bytes);
  ASSERT_TRUE(back);
  encode(*back, again);
  EXPECT_EQ(bytes, again);
  EXPECT_TRUE(back->out && back->more && back->in_progress);
  EXPECT_EQ(back->value, -7);
}

TEST(Encode, TruncatedOrFlippedBytesNeverCrash) {
  Bytes bytes;
  encode(full_session(), bytes);
  for (size_t n = 0; n < bytes.size(); ++n) {
    (void)decode_session(ByteView(bytes).substr(0, n));
    Bytes flipped = bytes;
    for (int bit = 0; bit < 8; ++bit) {
      flipped[n] = static_cast<char>(bytes[n] ^ (1 << bit));
      if (auto s =
              decode_session(flipped)) {  // enumerations stay in range: names of them are looked up
        EXPECT_LE(s->inbound.confidence, Confidence::kCertain);
        EXPECT_LE(s->inbound.evidence, Evidence::kLink);
      }
    }
  }
}

TEST(Encode, UnknownFieldsArePassedOver) {
  Bytes bytes;
  encode(full_session(), bytes);
  const Bytes with = bytes + Bytes("\xf8\x07\x05\xfa\x07\x02hi", 8);
  const auto back = decode_session(with);
  ASSERT_TRUE(back);
  Bytes again;
  encode(*back, again);
  EXPECT_EQ(again, bytes);
}

}  // namespace
}  // namespace reprise::session
