#include "wire/http1/http1.h"

#include <gtest/gtest.h>

#include "wire/codec_test_util.h"

namespace reprise::wire {
namespace {

using testing::Outcome;
using testing::play;
using testing::Script;
constexpr Dir kReq = Dir::kRequest;
constexpr Dir kRes = Dir::kResponse;

const Script& conversation() {
  // A request of curl 7.88 as captured, an HTTP/1.0 answer written by hand; then harder things.
  static const Script script = {
      {kReq,
       "GET /user/17?full=1&tag=a%20b&tag=c+d HTTP/1.1\r\nHost: localhost:8000\r\n"
       "User-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"},
      {kRes,
       "HTTP/1.0 200 OK\r\nServer: SimpleHTTP/0.6 Python/3.11.2\r\n"
       "Content-type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"},
      {kReq,
       "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
       "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
       "3;ext=\"1\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n"
       "\r\nHEAD /c HTTP/1.1\r\nHost: x\r\n\r\n"},
      {kRes,
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
       "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"},
      {kReq, "GET /d HTTP/1.1\nHost: x\n\n"},
      {kRes, "HTTP/1.1 304 Not Modified\nContent-Length: 5\n\n"},
      {kReq, "GET http://h/e?q HTTP/1.0\r\n\r\n"},
      {kRes, "HTTP/1.0 404 Not Found\r\n\r\nuntil the end"},
  };
  return script;
}

TEST(Http1, FramesAConversation) {
  const Outcome o = play(http1_entry(), conversation());
  ASSERT_FALSE(o.fault) << o.fault->reason;
  ASSERT_EQ(o.messages.size(), 13u) << o.text();
  std::vector<std::pair<Role, uint64_t>> got;
  for (const Message& m : o.messages) got.emplace_back(m.role, m.exchange);
  const std::vector<std::pair<Role, uint64_t>> want = {
      {Role::kRequest, 1}, {Role::kAnswer, 1},  {Role::kRequest, 2}, {Role::kRequest, 3},
      {Role::kRequest, 4}, {Role::kInterim, 2}, {Role::kAnswer, 2},  {Role::kAnswer, 3},
      {Role::kAnswer, 4},  {Role::kRequest, 5}, {Role::kAnswer, 5},  {Role::kRequest, 6},
      {Role::kAnswer, 6}};
  EXPECT_EQ(got, want);
  // Exact bytes: the messages of a direction, joined, are the stream.
  for (Dir dir : {kReq, kRes}) {
    Bytes sent, got_bytes;
    for (const auto& [d, bytes] : conversation()) sent += d == dir ? bytes : "";
    for (const Message& m : o.messages) {
      if (m.dir != dir) continue;
      EXPECT_EQ(m.begin, got_bytes.size());
      got_bytes += m.bytes;
      EXPECT_EQ(m.end, got_bytes.size());
      EXPECT_FALSE(m.incomplete);
    }
    EXPECT_EQ(got_bytes, sent);
  }
}

TEST(Http1, SegmentationDoesNotMatter) {
  EXPECT_EQ(testing::segmentation_difference(http1_entry(), conversation()), "");
  CodecOptions small;
  small.message_limit = 20;
  EXPECT_EQ(testing::segmentation_difference(http1_entry(), conversation(), small), "");
}

TEST(Http1, NamesTheLeavesOfARequest) {
  const Outcome o = play(http1_entry(), conversation());
  const Operation& op = o.messages[0].operation;
  EXPECT_EQ(op.verb, "GET");
  EXPECT_EQ(op.label, "GET /user/17?full=1&tag=a%20b&tag=c+d");
  EXPECT_EQ(op.effect, Effect::kRead);
  EXPECT_EQ(find_leaf(op.leaves, "path")->text, "/user/17");
  EXPECT_EQ(find_leaf(op.leaves, "path")->form, LeafForm::kUrlPath);
  EXPECT_EQ(find_leaf(op.leaves, "query.tag")->text, "a b");
  EXPECT_EQ(find_leaf(op.leaves, "query.tag[1]")->text, "c d");
  EXPECT_EQ(find_leaf(op.leaves, "header.host")->cls, LeafClass::kContext);
  EXPECT_EQ(find_leaf(op.leaves, "body"), nullptr);
  const Operation& chunked = o.messages[3].operation;
  EXPECT_EQ(chunked.effect, Effect::kWrite);
  EXPECT_EQ(find_leaf(chunked.leaves, "body")->text, "abc0123456789");
  EXPECT_EQ(find_leaf(chunked.leaves, "body")->cls, LeafClass::kPayload);
  EXPECT_EQ(find_leaf(o.messages[11].operation.leaves, "path")->text, "/e");
}

TEST(Http1, DescribesAnswers) {
  const auto describe = http1_entry().describe_answer;
  const Answer ok =
      describe({}, {}, "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nhello");
  EXPECT_EQ(ok.label, "200 OK, 5 bytes");
  EXPECT_FALSE(ok.error);
  EXPECT_EQ(find_leaf(ok.leaves, "status")->form, LeafForm::kNumber);
  EXPECT_EQ(find_leaf(ok.leaves, "header.set-cookie[1]")->text, "b");
  EXPECT_EQ(find_leaf(ok.leaves, "body")->text, "hello");
  const Answer gzip = describe(
      {}, {}, "HTTP/1.1 500 Oh\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b");
  EXPECT_EQ(gzip.label, "500 Oh, 2 bytes (gzip)");
  EXPECT_TRUE(gzip.error);
  EXPECT_EQ(find_leaf(gzip.leaves, "body")->form, LeafForm::kBinary);
  EXPECT_EQ(
      find_leaf(describe({}, {}, "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 201 D\r\n\r\n").leaves, "status")
          ->text,
      "201");
  EXPECT_TRUE(describe({}, {}, "junk").error);
}

TEST(Http1, UpgradeIsAFaultBehindTheAnswer) {
  const Script script = {
      {kReq, "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
      {kRes, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"},
      {kReq, "\x81\x82"}};
  const Outcome o = play(http1_entry(), script);
  ASSERT_EQ(o.messages.size(), 2u);
  EXPECT_EQ(o.messages[1].role, Role::kAnswer);
  ASSERT_TRUE(o.fault);
  EXPECT_EQ(o.fault->dir, kRes);
  EXPECT_EQ(o.fault->offset, o.messages[1].end);
  EXPECT_EQ(testing::segmentation_difference(http1_entry(), script), "");
}

TEST(Http1, ConnectOpensATunnelOnlyOnSuccess) {
  const Bytes connect = "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n";
  const Outcome refused =
      play(http1_entry(),
           {{kReq, connect},
            {kRes, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"},
            {kReq, connect},
            {kRes, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"},
            {kReq, "\x16\x03\x01"}});
  ASSERT_EQ(refused.messages.size(), 4u) << refused.text();
  ASSERT_TRUE(refused.fault);
  EXPECT_EQ(refused.fault->dir, kReq);
  EXPECT_EQ(refused.fault->offset, 2 * connect.size());
}

TEST(Http1, AnswerBeforeTheEndOfItsRequest) {
  const Outcome o =
      play(http1_entry(),
           {{kReq, "POST / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"},
            {kRes, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Too\r\nContent-Length: 0\r\n\r\n"},
            {kReq, "body"}});
  ASSERT_EQ(o.messages.size(), 3u);
  for (const Message& m : o.messages) EXPECT_EQ(m.exchange, 1u);
  EXPECT_EQ(o.messages[0].role, Role::kInterim);
  EXPECT_EQ(o.messages[2].role, Role::kRequest);
}

TEST(Http1, FaultsAreLocated) {
  struct Case {
    Dir dir;
    const char* bytes;
    uint64_t offset;
    size_t messages;
  };
  for (const Case& c : {
           Case{kReq, "\x16\x03\x01 binary", 0, 0},
           Case{kReq, "GET / HTTP/1.1\r\n\r\nnonsense here\r\n", 18, 1},
           Case{kReq, "GET / HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\nx", 40, 1},
           Case{kReq, "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nx", 56, 1},
           Case{kReq, "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz", 46, 1},
           Case{kReq, "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX", 50, 1},
           Case{kReq, "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
                61, 1},
           Case{kRes, "HTTP/2 200\r\n", 0, 0},
           Case{kRes, "220 smtp ready\r\n", 0, 0},
       }) {
    const Outcome o = play(http1_entry(), {{c.dir, c.bytes}});
    ASSERT_TRUE(o.fault) << c.bytes;
    EXPECT_EQ(o.fault->offset, c.offset) << c.bytes;
    EXPECT_EQ(o.messages.size(), c.messages) << c.bytes;
    EXPECT_EQ(testing::segmentation_difference(http1_entry(), {{c.dir, c.bytes}}), "");
  }
}

TEST(Http1, EndlessHeadIsAFault) {
  const Bytes endless = "GET / HTTP/1.1\r\nA: " + Bytes(300 << 10, 'a');
  const Outcome o = play(http1_entry(), {{kReq, endless}}, 1000);
  ASSERT_TRUE(o.fault);
  EXPECT_EQ(o.fault->offset, 0u);
}

TEST(Http1, CutMessagesAreIncomplete) {
  const Outcome o = play(http1_entry(), {{kReq, "PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"},
                                         {kRes, "HTTP/1.1 200 OK\r\nContent-Le"}});
  ASSERT_EQ(o.messages.size(), 2u);
  EXPECT_TRUE(o.messages[0].incomplete);
  EXPECT_EQ(find_leaf(o.messages[0].operation.leaves, "body")->text, "abc");
  EXPECT_TRUE(o.messages[1].incomplete);
  EXPECT_EQ(o.messages[1].exchange, 1u);
}

TEST(Http1, GapInsideABodyKeepsTheFraming) {
  const auto codec = http1_entry().make_codec({});
  std::vector<Message> out;
  codec->feed(kReq, "PUT /a HTTP/1.1\r\nContent-Length: 10\r\n\r\nab", 1, out);
  codec->gap(kReq, 5, 2, out);
  codec->feed(kReq, "cdeGET /b HTTP/1.1\r\n\r\n", 3, out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_TRUE(out[0].incomplete);
  EXPECT_EQ(out[0].end, 41u);
  EXPECT_EQ(out[1].operation.label, "GET /b");
  EXPECT_EQ(out[1].begin, 49u);
  EXPECT_FALSE(codec->fault());
  codec->gap(kReq, 1, 4, out);
  ASSERT_TRUE(codec->fault());
  EXPECT_EQ(codec->fault()->offset, 68u);
}

TEST(Http1, LongBodyIsTruncatedWithDigest) {
  CodecOptions options;
  options.message_limit = 64;
  const Outcome o = play(http1_entry(),
                         {{kReq, "PUT / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" +
                                     Bytes(1000, 'x') + "GET / HTTP/1.1\r\n\r\n"}},
                         0, 0, options);
  ASSERT_EQ(o.messages.size(), 2u);
  EXPECT_TRUE(o.messages[0].truncated);
  EXPECT_EQ(o.messages[0].bytes.size(), 64u);
  EXPECT_EQ(o.messages[0].end, 1040u);
  EXPECT_FALSE(o.messages[1].truncated);
}

TEST(Http1, UnaskedAnswerIsAPush) {
  const Outcome o =
      play(http1_entry(), {{kRes, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"}});
  ASSERT_EQ(o.messages.size(), 1u);
  EXPECT_EQ(o.messages[0].role, Role::kPush);
}

TEST(Http1, WantsContinue) {
  const Bytes head = "POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n\r\n";
  EXPECT_TRUE(wants_continue(head));
  EXPECT_FALSE(wants_continue(head.substr(0, head.size() - 1)));
  EXPECT_FALSE(wants_continue(head + "b"));
  EXPECT_FALSE(wants_continue("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n"));
  EXPECT_FALSE(
      wants_continue("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
}

TEST(Http1, CloseDelimited) {
  const Bytes get = "GET / HTTP/1.1\r\n\r\n";
  EXPECT_TRUE(close_delimited(get, "HTTP/1.1 200 OK\r\n\r\nbody"));
  EXPECT_TRUE(
      close_delimited(get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n"));
  EXPECT_TRUE(close_delimited(get, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_FALSE(close_delimited(get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_FALSE(close_delimited(
      get, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_FALSE(close_delimited("HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"));
}

TEST(Http1, ParsesAMessage) {
  const auto view = parse_http(
      "POST /x?y HTTP/1.1\r\nHost: h\r\nX-A:  1 \r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
  ASSERT_TRUE(view);
  EXPECT_EQ(view->method, "POST");
  EXPECT_EQ(view->target, "/x?y");
  EXPECT_EQ(view->headers[1], std::make_pair(std::string("X-A"), std::string("1")));
  EXPECT_EQ(view->body, "abc");
  EXPECT_FALSE(parse_http("GET / HTTP/1.1\r\nHost"));
  EXPECT_FALSE(parse_http(""));
}

TEST(Http1, ErrorIsAnAnswerToTheRequest) {
  Outcome o = play(http1_entry(), {{kReq, "GET / HTTP/1.1\r\n\r\n"}}, 0, 0, {}, false);
  const Bytes error = http1_entry().make_responder()->error(o.messages[0], "no such call");
  const Outcome both =
      play(http1_entry(), {{kReq, "GET / HTTP/1.1\r\n\r\n"}, {kRes, error}}, 0, 0, {}, false);
  ASSERT_EQ(both.messages.size(), 2u);
  const auto view = parse_http(error);
  EXPECT_EQ(view->status, 502);
  EXPECT_EQ(*find_field(view->headers, "x-reprise"), "miss");
  EXPECT_EQ(view->body, "reprise: no such call\n");
}

TEST(Http1, Detects) {
  const auto detect = [](ByteView client, ByteView server = {}) {
    return http1_entry().detect({client, server});
  };
  EXPECT_EQ(detect(""), Likelihood::kNeedMore);
  EXPECT_EQ(detect("GE"), Likelihood::kNeedMore);
  EXPECT_EQ(detect("GET /index.h"), Likelihood::kNeedMore);
  EXPECT_EQ(detect("GET /index.html HTTP/1.1\r\n"), Likelihood::kYes);
  EXPECT_EQ(detect("GET key\r\n"), Likelihood::kNo);
  EXPECT_EQ(detect("GET /key\r\n"), Likelihood::kNo);
  EXPECT_EQ(detect("GEX"), Likelihood::kNo);
  EXPECT_EQ(detect("PRI * HTTP/2.0\r\n"), Likelihood::kNo);
  EXPECT_EQ(detect("", "HTTP/1.1 408"), Likelihood::kYes);
  EXPECT_EQ(detect("", "HTT"), Likelihood::kNeedMore);
  EXPECT_EQ(detect("GET / HTTP/1.1\r\n", "220 "), Likelihood::kNo);
}

}  // namespace
}  // namespace reprise::wire
