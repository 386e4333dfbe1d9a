#include "wire/fastcgi/fastcgi.h"

#include <gtest/gtest.h>

#include "wire/codec_test_util.h"
#include "wire/fastcgi/records.h"

namespace reprise::wire {
namespace {

using namespace fastcgi;
using testing::Outcome;
using testing::play;
using testing::Script;
constexpr Dir kReq = Dir::kRequest;
constexpr Dir kRes = Dir::kResponse;

// What php-fpm 8.2 answered to nginx 1.22, captured.
const Bytes kPhpAnswer(
    "\x01\x06\x00\x01\x00\x37\x01\x00"
    "X-A: b\r\nContent-type: text/html; charset=UTF-8\r\n\r\nGET 0\x00"
    "\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    80);

Bytes request(uint16_t id, ByteView method, ByteView uri, ByteView body = {}) {
  Bytes out, params;
  put_begin(out, id, kResponder, true);
  put_pair(params, "REQUEST_METHOD", method);
  put_pair(params, "REQUEST_URI", uri);
  put_pair(params, "QUERY_STRING", "from=params");
  put_pair(params, "SCRIPT_FILENAME", "/srv/i.php");
  put_pair(params, "CONTENT_TYPE", "application/json");
  put_pair(params, "HTTP_LONG", Bytes(300, 'l'));
  put_record(out, kParams, id, params);
  put_record(out, kParams, id, {});
  if (!body.empty()) put_record(out, kStdin, id, body);
  put_record(out, kStdin, id, {});
  return out;
}
Bytes answer(uint16_t id, ByteView out_text, ByteView err_text = {}, uint32_t app_status = 0) {
  Bytes out;
  if (!err_text.empty()) put_record(out, kStderr, id, err_text);
  put_record(out, kStdout, id, out_text);
  put_end(out, id, app_status, 0);
  return out;
}
Bytes get_values() {
  Bytes values, out;
  put_pair(values, "FCGI_MPXS_CONNS", "");
  put_record(out, kGetValues, 0, values);
  return out;
}

const Script& conversation() {
  static const Script script = {
      {kReq, get_values()},
      {kRes, Bytes("\x01\x0a\x00\x00\x00\x00\x00\x00", 8)},
      {kReq, request(1, "GET", "/i.php?x=1&y=%20") + request(1, "POST", "/p", "{\"a\":1}")},
      {kRes, kPhpAnswer + answer(1, "Status: 404 Not Found\r\n\r\nno", "oops", 3)},
  };
  return script;
}

TEST(Fastcgi, FramesAConversation) {
  const Outcome o = play(fastcgi_entry(), conversation());
  ASSERT_FALSE(o.fault) << o.fault->reason;
  std::vector<std::pair<Role, uint64_t>> got;
  for (const Message& m : o.messages) got.emplace_back(m.role, m.exchange);
  const std::vector<std::pair<Role, uint64_t>> want = {{Role::kRequest, 1}, {Role::kAnswer, 1},
                                                       {Role::kRequest, 2}, {Role::kRequest, 3},
                                                       {Role::kAnswer, 2},  {Role::kAnswer, 3}};
  EXPECT_EQ(got, want);  // the two requests with one id are answered in their order
  for (Dir dir : {kReq, kRes}) {
    Bytes sent, got_bytes;
    for (const auto& [d, bytes] : conversation()) sent += d == dir ? bytes : "";
    for (const Message& m : o.messages) got_bytes += m.dir == dir ? m.bytes : "";
    EXPECT_EQ(got_bytes, sent);
  }
  EXPECT_EQ(o.messages[0].operation.tier, Tier::kHandshake);
}

TEST(Fastcgi, SegmentationDoesNotMatter) {
  EXPECT_EQ(testing::segmentation_difference(fastcgi_entry(), conversation()), "");
  CodecOptions small;
  small.message_limit = 50;
  EXPECT_EQ(testing::segmentation_difference(fastcgi_entry(), conversation(), small), "");
}

TEST(Fastcgi, NamesTheLeaves) {
  const Outcome o = play(fastcgi_entry(), conversation());
  const Operation& get = o.messages[2].operation;
  EXPECT_EQ(get.verb, "GET");
  EXPECT_EQ(get.label, "GET /i.php?x=1&y=%20");
  EXPECT_EQ(get.effect, Effect::kRead);
  EXPECT_EQ(find_leaf(get.leaves, "path")->text, "/i.php");
  EXPECT_EQ(find_leaf(get.leaves, "query.y")->text, " ");
  EXPECT_EQ(find_leaf(get.leaves, "query.from"), nullptr);
  EXPECT_EQ(find_leaf(get.leaves, "param.SCRIPT_FILENAME")->cls, LeafClass::kIdentity);
  EXPECT_EQ(find_leaf(get.leaves, "param.HTTP_LONG")->text.size(), 300u);
  const Operation& post = o.messages[3].operation;
  EXPECT_EQ(post.effect, Effect::kWrite);
  EXPECT_EQ(find_leaf(post.leaves, "query.from")->text, "params");
  EXPECT_EQ(find_leaf(post.leaves, "body")->cls, LeafClass::kPayload);
  EXPECT_EQ(find_leaf(post.leaves, "header.content-type")->text, "application/json");
}

TEST(Fastcgi, DescribesAnswers) {
  const auto describe = fastcgi_entry().describe_answer;
  const Answer ok = describe({}, {}, kPhpAnswer);
  EXPECT_EQ(ok.label, "200 OK, 5 bytes");
  EXPECT_EQ(find_leaf(ok.leaves, "header.x-a")->text, "b");
  EXPECT_EQ(find_leaf(ok.leaves, "body")->text, "GET 0");
  EXPECT_FALSE(ok.error);
  const Answer bad = describe({}, {}, answer(1, "Status: 404 Nope\r\n\r\nno", "oops", 3));
  EXPECT_EQ(bad.label, "404 Nope, 2 bytes");
  EXPECT_TRUE(bad.error);
  EXPECT_EQ(find_leaf(bad.leaves, "stderr")->text, "oops");
  EXPECT_EQ(find_leaf(bad.leaves, "app_status")->text, "3");
  EXPECT_EQ(find_leaf(describe({}, {}, answer(1, "Location: /x\r\n\r\n")).leaves, "status")->text,
            "302");
  EXPECT_TRUE(describe({}, {}, "").error);
}

// Records of two requests alternate, in both directions; answers come in the other order.
TEST(Fastcgi, MultiplexedRequestsInterleave) {
  const auto records = [](const Bytes& message) {
    std::vector<Bytes> list;
    ByteView rest = message;
    Record record;
    for (ByteView before = rest; next_record(rest, record); before = rest) {
      list.emplace_back(before.substr(0, before.size() - rest.size()));
    }
    return list;
  };
  const auto interleave = [&](const Bytes& a, const Bytes& b) {
    Bytes out;
    const auto x = records(a), y = records(b);
    for (size_t i = 0; i < std::max(x.size(), y.size()); ++i) {
      out += (i < x.size() ? x[i] : "") + (i < y.size() ? y[i] : "");
    }
    return out;
  };
  const Bytes one = request(1, "POST", "/one", "1"), two = request(2, "GET", "/two");
  const Bytes answer1 = answer(1, "\r\nfirst", "e"), answer2 = answer(2, "\r\nsecond");
  const Script script = {{kReq, interleave(one, two)}, {kRes, interleave(answer2, answer1)}};
  const Outcome o = play(fastcgi_entry(), script);
  ASSERT_EQ(o.messages.size(), 4u) << o.text();
  EXPECT_EQ(o.messages[0].bytes, two);
  EXPECT_EQ(o.messages[1].bytes, one);
  EXPECT_EQ(o.messages[1].begin, 0u);
  EXPECT_EQ(o.messages[1].end, one.size() + two.size());
  EXPECT_EQ(o.messages[2].bytes, answer2);
  EXPECT_EQ(o.messages[2].exchange, o.messages[0].exchange);
  EXPECT_EQ(o.messages[3].exchange, o.messages[1].exchange);
  EXPECT_EQ(testing::segmentation_difference(fastcgi_entry(), script), "");
}

TEST(Fastcgi, AbortEndsARequest) {
  Bytes bytes = request(1, "GET", "/");
  bytes.resize(bytes.size() - kHeaderSize);
  put_record(bytes, kAbortRequest, 1, {});
  const Outcome o = play(fastcgi_entry(), {{kReq, bytes}, {kRes, answer(1, "")}});
  ASSERT_EQ(o.messages.size(), 2u);
  EXPECT_TRUE(o.messages[0].incomplete);
  EXPECT_EQ(o.messages[1].exchange, o.messages[0].exchange);
}

TEST(Fastcgi, EarlyAnswerAndStrayInput) {
  const Bytes whole = request(1, "POST", "/", "body");
  const Bytes head = whole.substr(0, whole.size() - 24);  // without the two records of input
  Bytes stray;
  put_record(stray, kStdin, 1, {});
  const Outcome o = play(fastcgi_entry(), {{kReq, head},
                                           {kRes, answer(1, "Status: 413 x\r\n\r\n")},
                                           {kReq, whole + stray},
                                           {kRes, answer(1, "\r\n") + answer(9, "\r\n")}});
  std::string roles;
  for (const Message& m : o.messages)
    roles += std::to_string(int(m.role)) + (m.incomplete ? "i" : "");
  EXPECT_EQ(roles, "20i0325") << o.text();
}

TEST(Fastcgi, CutMessagesAndFaults) {
  const Bytes whole = request(1, "GET", "/a");
  const Outcome cut = play(fastcgi_entry(), {{kReq, whole.substr(0, whole.size() - 3)}});
  ASSERT_FALSE(cut.messages.empty());
  for (const Message& m : cut.messages) EXPECT_TRUE(m.incomplete);
  struct Case {
    Bytes bytes;
    uint64_t offset;
  };
  for (const Case& c : {Case{whole + Bytes("\x02\x01\x00\x01\x00\x08\x00\x00", 8), whole.size()},
                        Case{whole + Bytes("\x01\x06\x00\x01\x00\x08\x00\x00", 8), whole.size()},
                        Case{Bytes("\x01\x01\x00\x01\x00\x09\x00\x00", 8), 0},
                        Case{Bytes("\x01\x01\x00\x00\x00\x08\x00\x00", 8), 0}}) {
    const Outcome o = play(fastcgi_entry(), {{kReq, c.bytes}});
    ASSERT_TRUE(o.fault);
    EXPECT_EQ(o.fault->offset, c.offset);
    EXPECT_EQ(testing::segmentation_difference(fastcgi_entry(), {{kReq, c.bytes}}), "");
  }
}

TEST(Fastcgi, GapInsideARecord) {
  const auto codec = fastcgi_entry().make_codec({});
  std::vector<Message> out;
  const Bytes first = request(1, "GET", "/a"), second = request(1, "GET", "/b");
  codec->feed(kReq, first.substr(0, 40), 1, out);
  codec->gap(kReq, 60, 1, out);
  codec->feed(kReq, first.substr(100), 1, out);
  codec->feed(kRes, answer(1, "\r\n"), 1, out);
  codec->feed(kReq, second, 1, out);
  ASSERT_EQ(out.size(), 3u);
  EXPECT_TRUE(out[0].incomplete);
  EXPECT_EQ(out[0].end, 40u);
  EXPECT_EQ(out[2].bytes, second);
  EXPECT_EQ(out[2].begin, first.size());
  EXPECT_FALSE(codec->fault());
}

TEST(Fastcgi, ResponderSpeaksTheLiveId) {
  const Outcome live =
      play(fastcgi_entry(), {{kReq, get_values() + request(0x102, "GET", "/")}}, 0, 0, {}, false);
  ASSERT_EQ(live.messages.size(), 2u);
  const auto responder = fastcgi_entry().make_responder();
  const auto values = responder->template_answer(live.messages[0], {});
  ASSERT_TRUE(values && *values);
  EXPECT_EQ(
      find_leaf(fastcgi_entry().describe_answer({}, {}, **values).leaves, "value.FCGI_MPXS_CONNS")
          ->text,
      "1");
  EXPECT_FALSE(responder->template_answer(live.messages[1], {}));
  for (const Bytes& bytes : {*responder->adapt(live.messages[1], {}, kPhpAnswer),
                             responder->error(live.messages[1], "no such call")}) {
    const Outcome o =
        play(fastcgi_entry(), {{kReq, request(0x102, "GET", "/")}, {kRes, bytes}}, 0, 0, {}, false);
    ASSERT_EQ(o.messages.size(), 2u);
    EXPECT_EQ(o.messages[1].role, Role::kAnswer);
  }
  const Response error = parse_response(responder->error(live.messages[1], "no such call"));
  EXPECT_EQ(error.status, 502);
  EXPECT_EQ(error.body, "reprise: no such call\n");
  EXPECT_TRUE(error.ended);
}

TEST(Fastcgi, LongContentIsSplitOverRecords) {
  Bytes out;
  put_record(out, kStdout, 1, Bytes(200000, 'x'));
  const Response r = parse_response(out);
  EXPECT_EQ(r.out.size(), 200000u);
}

TEST(Fastcgi, PairsEndWhereTheyBreak) {
  EXPECT_TRUE(parse_pairs(Bytes("\xff\xff\xff\xff\xff\xff\xff\xffx")).empty());
  EXPECT_EQ(parse_pairs(Bytes("\x01\x01"
                              "ab\x01\x05"
                              "c"))
                .size(),
            1u);
}

TEST(Fastcgi, Detects) {
  const auto detect = [](ByteView client, ByteView server = {}) {
    return fastcgi_entry().detect({client, server});
  };
  const Bytes whole = request(1, "GET", "/");
  EXPECT_EQ(detect(""), Likelihood::kNeedMore);
  for (size_t n = 1; n < 8; ++n) EXPECT_EQ(detect(whole.substr(0, n)), Likelihood::kNeedMore) << n;
  EXPECT_EQ(detect(whole.substr(0, 8)), Likelihood::kYes);
  EXPECT_EQ(detect(get_values()), Likelihood::kYes);
  EXPECT_EQ(detect(kPhpAnswer), Likelihood::kNo);
  EXPECT_EQ(detect("\x01\x02"), Likelihood::kNo);
  EXPECT_EQ(detect("G"), Likelihood::kNo);
  EXPECT_EQ(detect(whole, "HTTP"), Likelihood::kNo);
}

}  // namespace
}  // namespace reprise::wire
