#include "session/assembler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/event_test_util.h"

namespace reprise::session {
namespace {

using testing::answer;
using ::testing::ElementsAre;
using testing::request;
using testing::World;

constexpr int64_t kSecond = 1'000'000'000;

// What every world must say at its end: bytes and calls that came in went somewhere.
void expect_sums(const World& w) {
  const AssemblerStats s = w.assembler.stats();
  EXPECT_EQ(s.bytes.bytes_in, s.bytes.delivered + s.bytes.repeated);
  EXPECT_EQ(s.calls, s.calls_in_session + s.calls_ambiguous + s.calls_outside);
  EXPECT_EQ(s.requests, s.sessions);
  EXPECT_EQ(w.assembler.open_sessions(), 0u);
  EXPECT_EQ(w.assembler.open_streams(), 0u);
}

TEST(Assembler, KeepAliveMakesASessionOfEachRequest) {
  World w;
  w.accept(1);
  for (int i = 0; i < 3; ++i) {
    w.in(1, request("/" + std::to_string(i)));
    w.out(1, answer(std::to_string(i)));
  }
  w.finish();
  ASSERT_EQ(w.inbound().size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(w.inbound()[i]->inbound.request, request("/" + std::to_string(i)));
    EXPECT_EQ(w.inbound()[i]->inbound.answer, answer(std::to_string(i)));
    EXPECT_FALSE(w.inbound()[i]->incomplete);
  }
  expect_sums(w);
}

TEST(Assembler, AnySegmentationGivesTheSameSessions) {
  const Bytes asked = request("/a") + request("/b"), answered = answer("aa") + answer("bb");
  for (size_t cut = 1; cut < asked.size(); ++cut) {
    World w;
    w.accept(1);
    w.in(1, asked.substr(0, cut));
    w.in(1, asked.substr(cut));
    const size_t other = cut % (answered.size() - 1) + 1;
    w.out(1, answered.substr(0, other));
    w.out(1, answered.substr(other));
    w.finish();
    ASSERT_EQ(w.inbound().size(), 2u) << cut;
    EXPECT_EQ(w.inbound()[0]->inbound.request, request("/a"));
    EXPECT_EQ(w.inbound()[0]->inbound.answer, answer("aa"));
    EXPECT_EQ(w.inbound()[1]->inbound.request, request("/b"));
    EXPECT_EQ(w.inbound()[1]->inbound.answer, answer("bb"));
    expect_sums(w);
  }
}

TEST(Assembler, AnInterimAnswerIsKeptApart) {
  World w;
  w.accept(1);
  w.in(1, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  w.out(1, "HTTP/1.1 100 Continue\r\n\r\n");
  w.in(1, "hi");
  w.out(1, answer("x"));
  w.finish();
  ASSERT_EQ(w.inbound().size(), 1u);
  EXPECT_EQ(w.inbound()[0]->inbound.interim, "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(w.inbound()[0]->inbound.answer, answer("x"));
}

TEST(Assembler, AnAnswerMayComeBeforeTheRequestIsComplete) {
  World w;
  w.accept(1);
  w.in(1, "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab");
  w.out(1, answer("too much"));
  w.in(1, "cd");
  w.in(1, request("/next"));
  w.out(1, answer("n"));
  w.finish();
  ASSERT_EQ(w.inbound().size(), 2u);
  EXPECT_TRUE(w.inbound()[0]->inbound.request.ends_with("abcd"));
  EXPECT_EQ(w.inbound()[0]->inbound.answer, answer("too much"));
  expect_sums(w);
}

// Regression: the end of an upload that was refused long ago became a session of its own.
TEST(Assembler, TheLateEndOfARefusedUploadIsNoSession) {
  World w;
  w.accept(1);
  w.in(1, "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab");
  w.out(1, answer("too much"));
  w.wait(2 * kSecond);
  ASSERT_EQ(w.inbound().size(), 1u);
  w.in(1, "cd");
  w.finish();
  EXPECT_EQ(w.inbound().size(), 1u);
  expect_sums(w);
}

TEST(Assembler, AThreadWithOneOpenRequestIsCertain) {
  World w;
  w.accept(1);
  w.in(1, request("/"));
  w.connect(2);
  w.out(2, "*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
  w.in(2, "+PONG\r\n$1\r\nv\r\n");
  w.out(1, answer("x"));
  w.finish();
  ASSERT_EQ(w.inbound().size(), 1u);
  const auto& calls = w.inbound()[0]->calls;
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[1].operation.verb, "GET");
  EXPECT_EQ(calls[1].answer, "$1\r\nv\r\n");
  EXPECT_EQ(calls[1].confidence, Confidence::kCertain);
  EXPECT_EQ(calls[1].evidence, Evidence::kThread);
  expect_sums(w);
}

TEST(Assembler, TwoOpenRequestsOfAnEventLoopAreAmbiguous) {
  World w;
  w.accept(1), w.accept(2, "10.0.0.9:5001");
  w.in(1, request("/1")), w.in(2, request("/2"));
  w.connect(3);
  w.out(3, request("/call"));
  w.in(3, answer("c"));
  w.out(1, answer("1")), w.out(2, answer("2"));
  w.finish();
  ASSERT_EQ(w.outside().size(), 1u);
  EXPECT_EQ(w.outside()[0]->confidence, Confidence::kAmbiguous);
  EXPECT_THAT(w.outside()[0]->candidates, ElementsAre(1, 2));
  expect_sums(w);
}

TEST(Assembler, ATraceHeaderDecidesAmongMany) {
  World w;
  const Bytes trace = "traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\r\n";
  w.accept(1), w.accept(2, "10.0.0.9:5001");
  w.in(1, request("/1")), w.in(2, request("/2", trace));
  w.connect(3);
  w.out(3, request("/call", trace));
  w.in(3, answer("c"));
  w.out(1, answer("1")), w.out(2, answer("2"));
  w.finish();
  ASSERT_EQ(w.inbound().size(), 2u);
  ASSERT_EQ(w.inbound()[1]->calls.size(), 1u);
  EXPECT_EQ(w.inbound()[1]->calls[0].evidence, Evidence::kTraceHeader);
}

TEST(Assembler, AWorkersAnswerTellsWhomItWorkedFor) {
  World w;
  w.accept(1), w.accept(2, "10.0.0.9:5001");
  w.in(1, request("/1"));
  w.in(2, request("/2"));
  w.as(100, 7).connect(3);
  w.out(3, request("/call"));
  w.in(3, answer("c"));
  w.out(2, answer("2"));  // thread 7 answers session 2
  w.as(100, 1).out(1, answer("1"));
  w.finish();
  ASSERT_EQ(w.inbound().size(), 2u);
  ASSERT_EQ(w.inbound()[1]->calls.size(), 1u);
  EXPECT_EQ(w.inbound()[1]->calls[0].evidence, Evidence::kHandOff);
  EXPECT_EQ(w.inbound()[1]->calls[0].confidence, Confidence::kLikely);
}

TEST(Assembler, AWindowOfOneIsLikely) {
  World w;
  w.accept(1);
  w.in(1, request("/1"));
  w.as(100, 7).connect(3);
  w.out(3, request("/call"));
  w.in(3, answer("c"));
  w.as(100, 1).out(1, answer("1"));
  w.finish();
  ASSERT_EQ(w.inbound().size(), 1u);
  ASSERT_EQ(w.inbound()[0]->calls.size(), 1u);
  EXPECT_EQ(w.inbound()[0]->calls[0].confidence, Confidence::kLikely);
  EXPECT_EQ(w.inbound()[0]->calls[0].evidence, Evidence::kWindow);
}

TEST(Assembler, CallsBeforeAndAfterTheFirstRequestAreStartUpAndBackground) {
  World w;
  w.connect(2);
  w.out(2, "*1\r\n$4\r\nPING\r\n");
  w.in(2, "+PONG\r\n");
  w.wait(2 * kSecond);
  w.accept(1);
  w.in(1, request("/1"));
  w.out(1, answer("1"));
  w.wait(5 * kSecond);
  w.as(100, 9).out(2, "*1\r\n$4\r\nPING\r\n");
  w.in(2, "+PONG\r\n");
  w.finish();
  ASSERT_EQ(w.sessions.size(), 3u);
  EXPECT_EQ(w.sessions[0].kind, SessionKind::kStartUp);
  EXPECT_EQ(w.sessions[1].kind, SessionKind::kInbound);
  EXPECT_EQ(w.sessions[2].kind, SessionKind::kBackground);
}

// Regression: the parent of a server that forks for each connection closes it before the child has
// said a word; the child's session was lost.
// A worker wrote the answer and was stopped before it could tell; the thread that reads saw the client
// go, and closed first.
TEST(Assembler, AnAnswerToldAfterItsCloseIsNotLost) {
  World w;
  w.accept(1);
  w.in(1, request("/1"));
  Event late = w.data(1, true, answer("ok"));
  w.add(EventType::kClose, 1);
  w.assembler.add(late);
  w.assembler.tick(w.now + 1'000'000'000);
  w.assembler.finish(w.now + 2'000'000'000);
  ASSERT_EQ(w.sessions.size(), 1u);
  EXPECT_TRUE(w.sessions[0].inbound.answered);
  EXPECT_FALSE(w.sessions[0].incomplete);
  EXPECT_EQ(w.assembler.stats().bytes_unknown_stream, 0u);
}

TEST(Assembler, AForkedChildHoldsWhatItsParentCloses) {
  World w;
  w.accept(1);
  w.process(200, 100, 1);
  w.add(EventType::kClose, 1);
  w.as(200, 5).in(1, request("/1"));
  w.process(200, 100, 1);  // told twice: by parent and child
  w.as(100, 1).accept(2, "10.0.0.9:5001");
  w.as(200, 5).out(1, answer("1"));
  w.add(EventType::kClose, 1);
  ASSERT_EQ(w.assembler.open_streams(), 1u);
  w.as(100, 1).add(EventType::kClose, 2);
  w.finish();
  ASSERT_EQ(w.inbound().size(), 1u);
  EXPECT_FALSE(w.inbound()[0]->incomplete);
  expect_sums(w);
}

TEST(Assembler, AProcessThatIsGoneClosesItsStreams) {
  World w;
  w.accept(1);
  w.in(1, request("/1"));
  w.process(100, 1, 2);
  w.wait(1);
  ASSERT_EQ(w.inbound().size(), 1u);
  EXPECT_TRUE(w.inbound()[0]->incomplete);
  EXPECT_EQ(w.assembler.open_streams(), 0u);
}

TEST(Assembler, AnExecEndsWhatItDoesNotAdopt) {
  World w;
  w.accept(1);
  w.in(1, request("/1"));
  w.process(100, 1, 0);
  w.finish();
  ASSERT_EQ(w.inbound().size(), 1u);
  EXPECT_TRUE(w.inbound()[0]->incomplete);
}

// Regression: a connection passed to another program was always taken for one that it had made.
TEST(Assembler, AnAdoptedStreamIsInboundIfThePeerSpeaksFirst) {
  World w;
  w.assembler.add(w.opened(1, OpenKind::kAdopted, "10.0.0.1:80", "10.0.0.9:5000"));
  w.in(1, request("/1"));
  w.out(1, answer("1"));
  w.assembler.add(w.opened(2, OpenKind::kAdopted, "10.0.0.1:9000", "10.0.0.2:80"));
  w.out(2, request("/call"));
  w.in(2, answer("c"));
  w.finish();
  ASSERT_EQ(w.inbound().size(), 1u);
  EXPECT_EQ(w.inbound()[0]->calls.size() + w.outside().size(), 1u);
  expect_sums(w);
}

TEST(Assembler, FailedConnectsAreCalls) {
  World w;
  w.accept(1);
  w.in(1, request("/1"));
  Event refused = w.opened(2, OpenKind::kConnect, "10.0.0.1:1", "10.0.0.2:5");
  refused.value = ECONNREFUSED;
  w.assembler.add(refused);
  Event slow = w.opened(3, OpenKind::kConnect, "10.0.0.1:1", "10.0.0.2:6");
  slow.in_progress = true;
  w.assembler.add(slow);
  w.add(EventType::kConnected, 3, EHOSTUNREACH);
  slow = w.opened(4, OpenKind::kConnect, "10.0.0.1:2", "10.0.0.2:7");
  slow.in_progress = true;
  w.assembler.add(slow);
  w.add(EventType::kError, 4, ETIMEDOUT);  // heard of by a read, not by SO_ERROR
  slow = w.opened(5, OpenKind::kConnect, "10.0.0.1:3", "10.0.0.2:8");
  slow.in_progress = true;
  w.assembler.add(slow);
  w.add(EventType::kConnected, 5, 0);
  w.out(1, answer("1"));
  w.finish();
  ASSERT_EQ(w.inbound().size(), 1u);
  std::vector<int> errors;
  for (const Call& c : w.inbound()[0]->calls) {
    EXPECT_EQ(c.kind, CallKind::kFailedConnect);
    EXPECT_EQ(c.confidence, Confidence::kCertain);
    errors.push_back(c.error);
  }
  EXPECT_THAT(errors, ElementsAre(ECONNREFUSED, EHOSTUNREACH, ETIMEDOUT));
  expect_sums(w);
}

TEST(Assembler, AnEdgeBetweenTwoRecordedProcessesLinksTheirSessions) {
  for (const bool unix_path : {false, true}) {
    World w;
    w.accept(1);
    w.in(1, request("/1"));
    const Bytes front = unix_path ? "unix:@a" : "127.0.0.1:40000",
                back = unix_path ? "unix:/s" : "127.0.0.1:81";
    w.assembler.add(w.opened(2, OpenKind::kConnect, front, back));
    w.out(2, request("/call"));
    w.as(200, 2).assembler.add(w.opened(3, OpenKind::kAccept, back, front));
    w.in(3, request("/call"));
    w.out(3, answer("c"));
    w.as(100, 1).in(2, answer("c"));
    w.out(1, answer("1"));
    w.finish();
    ASSERT_EQ(w.inbound().size(), 2u);
    ASSERT_EQ(w.inbound()[0]->calls.size(), 1u);
    EXPECT_EQ(w.inbound()[0]->calls[0].linked_session, 2u);
    EXPECT_EQ(w.inbound()[1]->parent, 1u);
    expect_sums(w);
  }
}

TEST(Assembler, DataOutOfOrderIsPutInOrder) {
  World w;
  w.accept(1);
  const Bytes asked = request("/1");
  Event first = w.data(1, false, asked.substr(0, 10)), second = w.data(1, false, asked.substr(10));
  w.assembler.add(second);
  w.assembler.add(first);
  w.assembler.add(first);  // and once more
  w.out(1, answer("1"));
  w.finish();
  ASSERT_EQ(w.inbound().size(), 1u);
  EXPECT_EQ(w.inbound()[0]->inbound.request, asked);
  EXPECT_FALSE(w.inbound()[0]->incomplete);
  EXPECT_EQ(w.assembler.stats().bytes.repeated, 10u);
  expect_sums(w);
}

TEST(Assembler, ALostPieceCostsItsRequestAndIsCounted) {
  World w;
  w.accept(1);
  w.in(1, request("/1"));
  w.out(1, answer("1"));
  const Bytes lost = request("/lost");
  w.in(1, lost.substr(0, 12));
  w.got[1] += lost.size() - 12;
  w.in(1, request("/3"));
  Event gap = w.at(EventType::kGap);
  gap.offset = 2, gap.value = static_cast<int64_t>(lost.size() - 12);
  w.assembler.add(gap);
  w.wait(kSecond);
  w.out(1, answer("2") + answer("3"));
  w.finish();
  EXPECT_EQ(w.assembler.stats().bytes.missing, lost.size() - 12);
  EXPECT_EQ(w.assembler.stats().gap_records, 2u);
  ASSERT_GE(w.inbound().size(), 2u);
  EXPECT_FALSE(w.inbound()[0]->incomplete);
  EXPECT_TRUE(w.inbound()[1]->incomplete);
  expect_sums(w);
}

TEST(Assembler, OpaqueStreamsAreCountedAndMakeNoSession) {
  const Bytes hello("\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
                    43);
  World w;
  w.accept(1);
  w.in(1, hello);
  w.out(1, "server hello");
  w.accept(2, "10.0.0.9:5001");
  w.in(2, request("/1"));
  w.connect(3, "10.0.0.2:443");
  w.out(3, hello);
  w.in(3, "server hello");
  w.out(2, answer("1"));
  w.finish();
  const AssemblerStats s = w.assembler.stats();
  EXPECT_EQ(s.streams_opaque, 2u);
  EXPECT_EQ(s.opaque_bytes, 2 * (hello.size() + 12));
  std::vector<const Session*> whole;
  for (const Session* i : w.inbound()) {
    if (!i->incomplete) whole.push_back(i);
  }
  ASSERT_EQ(w.inbound().size(), 1u);
  ASSERT_EQ(whole.size(), 1u);
  ASSERT_EQ(whole[0]->calls.size(), 1u);
  EXPECT_EQ(whole[0]->calls[0].kind, CallKind::kOpaque);
  EXPECT_EQ(whole[0]->calls[0].protocol, wire::Protocol::kTls);
}

TEST(Assembler, ASessionWaitsForItsCallsButNotForever) {
  World w;
  w.accept(1);
  w.in(1, request("/1"));
  w.connect(2);
  w.out(2, request("/slow"));
  w.out(1, answer("1"));
  w.wait(600'000'000);
  EXPECT_TRUE(w.inbound().empty());
  w.wait(600'000'000);
  ASSERT_EQ(w.inbound().size(), 1u);
  EXPECT_TRUE(w.inbound()[0]->calls[0].incomplete);
  w.in(2, answer("late"));
  w.finish();
  EXPECT_EQ(w.assembler.stats().late_answers, 1u);
  expect_sums(w);
}

TEST(Assembler, DatagramsPairByTheirPeer) {
  World w;
  const Bytes query(
      "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01"
      "a\x02"
      "de\x00\x00\x01\x00\x01",
      22);
  Bytes reply = query;
  reply[2] = static_cast<char>(0x81), reply[3] = static_cast<char>(0x80);
  for (const bool out : {true, false}) {
    Event d = w.at(EventType::kDatagram, 9);
    d.out = out, d.peer = *parse_address("10.0.0.53:53"), d.more = true;
    w.assembler.add(d);
    Event e = w.at(EventType::kData, 9);
    e.out = out, e.data = out ? query : reply;
    w.assembler.add(e);
  }
  w.add(EventType::kClose, 9);
  EXPECT_EQ(w.assembler.open_streams(), 0u);
  w.finish();
  ASSERT_EQ(w.outside().size(), 1u);
  EXPECT_EQ(w.outside()[0]->protocol, wire::Protocol::kDns);
  EXPECT_TRUE(w.outside()[0]->answered);
  expect_sums(w);
}

TEST(Assembler, IgnoredStreamsLeaveNothing) {
  AssemblerOptions options;
  options.ignore = [](const Event& e) { return e.peer.port == 5000; };
  World w(options);
  w.accept(1);
  w.in(1, request("/1"));
  w.out(1, answer("1"));
  w.finish();
  EXPECT_TRUE(w.sessions.empty());
  EXPECT_EQ(w.assembler.stats().streams_ignored, 1u);
  EXPECT_EQ(w.assembler.stats().bytes_unknown_stream, request("/1").size() + answer("1").size());
}

}  // namespace
}  // namespace reprise::session
