#include "session/stream.h"

#include <gtest/gtest.h>

namespace reprise::session {
namespace {

Event open_event() {
  Event e;
  e.type = EventType::kOpen;
  e.stream = 1, e.pid = 100;
  e.local = *parse_address("10.0.0.1:80"), e.peer = *parse_address("10.0.0.9:5000");
  return e;
}

struct Play {
  explicit Play(size_t limit = 1 << 20) : stream(open_event(), true, limit) {}
  void data(bool out, const Bytes& bytes, uint64_t thread = 1) {
    Event e;
    e.type = EventType::kData;
    e.out = out, e.data = bytes, e.thread = thread, e.at_ns = ++now;
    e.offset = offset[out];
    offset[out] += bytes.size();
    stream.data(e, 0, messages);
  }
  Stream stream;
  std::vector<FramedMessage> messages;
  uint64_t offset[2] = {0, 0};
  int64_t now = 0;
};

TEST(Stream, SaysWhoMovedTheFirstAndTheLastByte) {
  Play p;
  p.data(false, "GET / HT", 7);
  ASSERT_NE(p.stream.request_begun(), nullptr);
  EXPECT_EQ(p.stream.request_begun()->thread, 7u);
  p.data(false, "TP/1.1\r\n", 8);
  p.data(false, "\r\nGET", 9);
  ASSERT_EQ(p.messages.size(), 1u);
  EXPECT_EQ(p.messages[0].first.thread, 7u);
  EXPECT_EQ(p.messages[0].last.thread, 9u);
  EXPECT_EQ(p.stream.request_begun()->thread, 9u);
  EXPECT_EQ(p.stream.request_start(), 18u);
}

TEST(Stream, AMessageOfVeryManyPiecesKeepsItsEnds) {
  Play p;
  p.data(false, "POST / HTTP/1.1\r\nContent-Length: 20000\r\n\r\n", 7);
  for (int i = 0; i < 19999; ++i) p.data(false, "x", 8);
  p.data(false, "x", 9);
  ASSERT_EQ(p.messages.size(), 1u);
  EXPECT_EQ(p.messages[0].first.thread, 7u);
  EXPECT_EQ(p.messages[0].last.thread, 9u);
}

TEST(Stream, UnknownBytesThatDripAreNotLookedAtAgainAndAgain) {
  Play p;  // quadratic work would take minutes
  for (int i = 0; i < 60000; ++i) p.data(false, "GET /" + Bytes(1, 'x'));
  p.data(true, "y");
  std::vector<FramedMessage> out;
  p.stream.end(99, p.messages);
  EXPECT_FALSE(p.messages.empty());
}

TEST(Stream, LostFramingFallsBackToRaw) {
  Play p;
  p.data(false, "GET / HTTP/1.1\r\n\r\n");
  p.data(true, "HTTP/1.1 200 OK\r\nContent-Length: zz\r\n\r\n");
  EXPECT_EQ(p.stream.protocol(), wire::Protocol::kRaw);
  p.data(false, "more");
  p.data(true, "less");
  p.stream.end(9, p.messages);
  EXPECT_EQ(p.stream.stats().bytes_in, p.stream.stats().delivered);
  EXPECT_EQ(p.messages.back().message.bytes, "less");
  for (size_t i = 1; i < p.messages.size(); ++i) {
    EXPECT_GE(p.messages[i].message.exchange, p.messages[i - 1].message.exchange);
  }
}

TEST(Stream, TinyPiecesBehindAHoleAreBounded) {
  Play p;
  p.offset[0] = 1;
  for (int i = 0; i < 40000; ++i) p.data(false, "x");
  EXPECT_LT(p.stream.stats().bytes_in - p.stream.stats().delivered, 20000u);
  EXPECT_EQ(p.stream.stats().missing, 1u);
}

}  // namespace
}  // namespace reprise::session
