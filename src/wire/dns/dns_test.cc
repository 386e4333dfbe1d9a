#include "wire/dns/dns.h"

#include <gtest/gtest.h>

#include "wire/codec_test_util.h"

namespace reprise::wire {
namespace {

using namespace dns;
using testing::Outcome;
using testing::play;
constexpr Dir kReq = Dir::kRequest;
constexpr Dir kRes = Dir::kResponse;

Bytes query(uint16_t id, uint16_t type, bool edns = false) {
  Bytes out;
  put_be16(out, id);
  out += Bytes("\x01\x00\x00\x01\x00\x00\x00\x00\x00", 9) + (edns ? '\x01' : '\0');
  out += Bytes("\7ExAmple\3org\0", 13);
  put_be16(out, type);
  put_be16(out, 1);
  if (edns) out += Bytes("\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);
  return out;
}

TEST(Dns, ParsesWhatItMakes) {
  const Bytes answer = make_answer(query(7, kA), {"192.0.2.1", "2001:db8::1", "192.0.2.2"}, 60);
  const auto p = parse(answer);
  ASSERT_TRUE(p);
  EXPECT_TRUE(p->response);
  EXPECT_TRUE(p->recursion_desired);
  EXPECT_EQ(p->id, 7);
  EXPECT_EQ(p->rcode, 0);
  EXPECT_EQ(p->end, answer.size());
  ASSERT_EQ(p->questions.size(), 1u);
  EXPECT_EQ(p->questions[0].name, "example.org");
  ASSERT_EQ(p->answers.size(), 2u);
  EXPECT_EQ(p->answers[1].name, "example.org");
  EXPECT_EQ(p->answers[1].data, "192.0.2.2");
  EXPECT_EQ(p->answers[1].ttl, 60u);
  const auto six = parse(make_answer(query(8, kAaaa, true), {"192.0.2.1", "2001:db8::1"}, 1));
  ASSERT_EQ(six->answers.size(), 1u);
  EXPECT_EQ(six->answers[0].data, "2001:db8::1");
  EXPECT_TRUE(parse(make_answer(query(9, kTxt), {"192.0.2.1"}, 1))->answers.empty());
}

TEST(Dns, ErrorsAndLimits) {
  const auto p = parse(make_error(query(3, kA, true), kNxDomain));
  ASSERT_TRUE(p);
  EXPECT_EQ(p->rcode, kNxDomain);
  EXPECT_EQ(p->id, 3);
  EXPECT_EQ(make_error("short", kServFail), "");
  const std::vector<std::string> many(200, "192.0.2.1");
  EXPECT_LE(make_answer(query(1, kA), many, 1).size(), 512u);
}

TEST(Dns, ReadsOtherRecords) {
  Bytes answer = make_answer(query(1, kMx), {}, 1);
  answer[7] = 3;
  answer += Bytes("\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x3c\x00\x09\x00\x0a\4mail\xc0\x0c", 21);
  answer += Bytes("\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x06\2ab\2cd", 18);
  answer += Bytes("\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x03\1A\0", 15);
  const auto p = parse(answer);
  ASSERT_EQ(p->answers.size(), 3u);
  EXPECT_EQ(p->answers[0].data, "10 mail.example.org");
  EXPECT_EQ(p->answers[1].data, "abcd");
  EXPECT_EQ(p->answers[2].data, "a");
}

TEST(Dns, RefusesLoopsAndLies) {
  Bytes loop = query(1, kA);
  loop.replace(12, 2, "\xc0\x0c");  // a name that points at itself
  EXPECT_FALSE(parse(loop));
  Bytes forward = query(1, kA);
  forward.replace(12, 2, "\xc0\x20");
  EXPECT_FALSE(parse(forward));
  Bytes header = query(1, kA);
  header.replace(12, 2, Bytes("\xc0\x04", 2));  // found by dns_fuzz: a name inside the header
  EXPECT_FALSE(parse(header));
  Bytes many = query(1, kA);
  many[4] = many[5] = '\xff';
  EXPECT_FALSE(parse(many));
  EXPECT_FALSE(parse(query(1, kA).substr(0, 20)));
  Bytes odd = query(1, kA);
  odd[14] = '.';
  EXPECT_EQ(parse(odd)->questions[0].name, "e\\046ample.org");
}

TEST(Dns, PairsById) {
  const Bytes a = query(1, kA), b = query(2, kAaaa);
  const Outcome o = play(dns_entry(), {{kReq, a},
                                       {kReq, b},
                                       {kReq, a},
                                       {kRes, make_answer(b, {}, 1)},
                                       {kRes, make_answer(a, {"192.0.2.1"}, 1)},
                                       {kRes, make_error(a, kServFail)},
                                       {kRes, make_error(a, kServFail)}});
  ASSERT_EQ(o.messages.size(), 7u);
  EXPECT_EQ(o.messages[3].exchange, 2u);
  EXPECT_EQ(o.messages[4].exchange, 1u);
  EXPECT_EQ(o.messages[5].exchange, 3u);
  EXPECT_EQ(o.messages[6].role, Role::kPush);
  EXPECT_EQ(o.messages[1].begin, a.size());
  const Operation& op = o.messages[0].operation;
  EXPECT_EQ(op.verb, "QUERY");
  EXPECT_EQ(op.label, "A example.org");
  EXPECT_EQ(op.effect, Effect::kRead);
  EXPECT_EQ(find_leaf(op.leaves, "type")->text, "A");
  const Answer answer = dns_entry().describe_answer({}, {}, o.messages[4].bytes);
  EXPECT_EQ(answer.label, "NOERROR, 1 records");
  EXPECT_EQ(find_leaf(answer.leaves, "answer[0].data")->text, "192.0.2.1");
  EXPECT_TRUE(dns_entry().describe_answer({}, {}, o.messages[5].bytes).error);
}

TEST(Dns, FaultOnOtherDatagrams) {
  const Outcome o = play(dns_entry(), {{kReq, query(1, kA)}, {kReq, "hello"}});
  ASSERT_TRUE(o.fault);
  EXPECT_EQ(o.fault->offset, query(1, kA).size());
  EXPECT_TRUE(play(dns_entry(), {{kRes, query(1, kA)}}).fault);
}

TEST(Dns, AdaptsIdAndCase) {
  Bytes live = query(0x1234, kA);
  live[13] = 'e';
  const Outcome o = play(dns_entry(), {{kReq, live}});
  const Bytes recorded = make_answer(query(1, kA), {"192.0.2.1"}, 60);
  const auto adapted = dns_entry().make_responder()->adapt(o.messages[0], {}, recorded);
  ASSERT_TRUE(adapted);
  EXPECT_EQ(*adapted, make_answer(live, {"192.0.2.1"}, 60));
}

TEST(Dns, Detects) {
  const auto detect = [](ByteView client) { return dns_entry().detect({client, {}}); };
  EXPECT_EQ(detect(""), Likelihood::kNeedMore);
  EXPECT_EQ(detect(query(1, kA)), Likelihood::kYes);
  EXPECT_EQ(detect(query(1, kA, true)), Likelihood::kYes);
  EXPECT_EQ(detect(query(1, kA) + "x"), Likelihood::kNo);
  EXPECT_EQ(detect(query(1, kA).substr(0, 20)), Likelihood::kNo);
  EXPECT_EQ(detect(make_answer(query(1, kA), {}, 1)), Likelihood::kNo);
}

}  // namespace
}  // namespace reprise::wire
