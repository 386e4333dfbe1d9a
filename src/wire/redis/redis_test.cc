#include "wire/redis/redis.h"

#include <gtest/gtest.h>

#include "wire/codec_test_util.h"
#include "wire/redis/commands.h"

namespace reprise::wire {
namespace {

using testing::Outcome;
using testing::play;
using testing::Script;
constexpr Dir kReq = Dir::kRequest;
constexpr Dir kRes = Dir::kResponse;

Bytes command(std::initializer_list<ByteView> words) {
  Bytes out = "*" + std::to_string(words.size()) + "\r\n";
  for (ByteView w : words) out += "$" + std::to_string(w.size()) + "\r\n" + Bytes(w) + "\r\n";
  return out;
}

const Script& conversation() {
  static const Script script = {
      {kReq, command({"HELLO", "3", "AUTH", "u", "secret"})},
      {kRes, "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n"},
      {kReq, "\r\n*0\r\nPING\r\n" + command({"set", "user:17", "{\"a\":1}", "EX", "60"}) +
                 command({"GET", Bytes("k\0\r\n", 4)}) + "lrange \"my list\" 0 -1\r\n"},
      {kRes, "+PONG\r\n+OK\r\n_\r\n*3\r\n$0\r\n\r\n*2\r\n:1\r\n#t\r\n,1.5\r\n"},
      {kReq, command({"SUBSCRIBE", "a", "b"})},
      {kRes,
       ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"
       ">3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"},
      {kReq, command({"HGETALL", "h"})},
      {kRes, "|1\r\n+ttl\r\n:3\r\n%1\r\n+f\r\n=7\r\ntxt:abc\r\n"},
      {kReq, command({"NOSUCH", "1"})},
      {kRes, "-ERR unknown command\r\n"},
  };
  return script;
}

TEST(Redis, FramesAndPairs) {
  const Outcome o = play(redis_entry(), conversation());
  ASSERT_FALSE(o.fault) << o.fault->reason;
  std::vector<std::pair<Role, uint64_t>> got;
  for (const Message& m : o.messages) got.emplace_back(m.role, m.exchange);
  const std::vector<std::pair<Role, uint64_t>> want = {
      {Role::kRequest, 1}, {Role::kAnswer, 1},  {Role::kRequest, 2}, {Role::kRequest, 3},
      {Role::kRequest, 4}, {Role::kRequest, 5}, {Role::kAnswer, 2},  {Role::kAnswer, 3},
      {Role::kAnswer, 4},  {Role::kAnswer, 5},  {Role::kRequest, 6}, {Role::kInterim, 6},
      {Role::kPush, 7},    {Role::kAnswer, 6},  {Role::kRequest, 8}, {Role::kAnswer, 8},
      {Role::kRequest, 9}, {Role::kAnswer, 9}};
  EXPECT_EQ(got, want) << o.text();
  for (Dir dir : {kReq, kRes}) {
    Bytes sent, got_bytes;
    for (const auto& [d, bytes] : conversation()) sent += d == dir ? bytes : "";
    for (const Message& m : o.messages) got_bytes += m.dir == dir ? m.bytes : "";
    EXPECT_EQ(got_bytes, sent);
  }
}

TEST(Redis, SegmentationDoesNotMatter) {
  EXPECT_EQ(testing::segmentation_difference(redis_entry(), conversation()), "");
  CodecOptions small;
  small.message_limit = 9;
  EXPECT_EQ(testing::segmentation_difference(redis_entry(), conversation(), small), "");
}

TEST(Redis, NamesTheLeavesOfACommand) {
  const Outcome o = play(redis_entry(), conversation());
  const Operation& hello = o.messages[0].operation;
  EXPECT_EQ(hello.tier, Tier::kHandshake);
  EXPECT_EQ(hello.label, "HELLO 3 ***");
  EXPECT_EQ(hello.leaves.size(), 1u);
  const Operation& ping = o.messages[2].operation;
  EXPECT_EQ(ping.verb, "PING");
  EXPECT_EQ(ping.tier, Tier::kHeartbeat);
  const Operation& set = o.messages[3].operation;
  EXPECT_EQ(set.verb, "SET");
  EXPECT_EQ(set.label, "SET user:17 {\"a\":1} EX 60");
  EXPECT_EQ(set.effect, Effect::kWrite);
  EXPECT_EQ(find_leaf(set.leaves, "arg.0")->cls, LeafClass::kIdentity);
  EXPECT_EQ(find_leaf(set.leaves, "arg.1")->cls, LeafClass::kPayload);
  EXPECT_EQ(find_leaf(set.leaves, "arg.1")->form, LeafForm::kBody);
  EXPECT_EQ(find_leaf(o.messages[4].operation.leaves, "arg.0")->text, Bytes("k\0\r\n", 4));
  EXPECT_EQ(find_leaf(o.messages[5].operation.leaves, "arg.0")->text, "my list");
  const Operation& unknown = o.messages[16].operation;
  EXPECT_EQ(unknown.effect, Effect::kUnknown);
  EXPECT_EQ(find_leaf(unknown.leaves, "arg.0")->cls, LeafClass::kIdentity);
}

TEST(Redis, ArgumentClasses) {
  std::string hset;
  for (size_t i = 0; i < 5; ++i) hset += redis::arg_class(redis::find_command("HSET")->args, i);
  EXPECT_EQ(hset, "iiviv");
  std::string mset;
  for (size_t i = 0; i < 4; ++i) mset += redis::arg_class(redis::find_command("MSET")->args, i);
  EXPECT_EQ(mset, "iviv");
  size_t used = 0;
  EXPECT_EQ(redis::verb_of({"client", "setname", "x"}, used), "CLIENT SETNAME");
  EXPECT_EQ(used, 2u);
  EXPECT_EQ(redis::find_command("CLIENT SETNAME")->tier, Tier::kSetup);
}

TEST(Redis, DescribesReplies) {
  const auto describe = redis_entry().describe_answer;
  Operation hgetall;
  hgetall.verb = "HGETALL";
  const Bytes flat = "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$-1\r\n";
  const Answer map = describe({}, hgetall, flat);
  EXPECT_EQ(find_leaf(map.leaves, "value.a")->text, "1");
  EXPECT_EQ(find_leaf(map.leaves, "value.b")->form, LeafForm::kNull);
  const Answer list = describe({}, {}, flat);
  EXPECT_EQ(list.label, "4 elements");
  EXPECT_EQ(find_leaf(list.leaves, "value[2]")->text, "b");
  const Answer error = describe({}, {}, "-ERR no\r\n");
  EXPECT_TRUE(error.error);
  EXPECT_EQ(error.label, "-ERR no");
  const Answer nested = describe({}, {}, "%1\r\n+x\r\n*2\r\n:7\r\n-ERR in\r\n");
  EXPECT_FALSE(nested.error);
  EXPECT_EQ(find_leaf(nested.leaves, "value.x[0]")->form, LeafForm::kNumber);
  const Answer attribute = describe({}, {}, "|1\r\n+ttl\r\n:3\r\n=7\r\ntxt:abc\r\n");
  EXPECT_EQ(find_leaf(attribute.leaves, "value")->text, "abc");
  EXPECT_EQ(describe({}, {}, "$-1\r\n").label, "null");
  EXPECT_TRUE(describe({}, {}, "").error);
  // Claims far more elements than there are, and no bytes that could be one.
  EXPECT_LE(describe({}, {}, "*1000000000\r\n?").leaves.size(), 1u);
}

// As redis-server 7.0 with redis-cli answers, subscribed in RESP2.
TEST(Redis, PublishSubscribeInResp2) {
  const auto confirm = [](ByteView kind, ByteView channel, int n) {
    return "*3\r\n$" + std::to_string(kind.size()) + "\r\n" + Bytes(kind) + "\r\n$" +
           std::to_string(channel.size()) + "\r\n" + Bytes(channel) + "\r\n:" + std::to_string(n) +
           "\r\n";
  };
  const Bytes message = "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n";
  const Script script = {
      {kReq, command({"LRANGE", "l", "0", "-1"})},
      {kRes, message},  // a list that looks like a message
      {kReq, command({"SUBSCRIBE", "a", "b"}) + command({"PSUBSCRIBE", "p*"})},
      {kRes, confirm("subscribe", "a", 1) + message + confirm("subscribe", "b", 2) +
                 confirm("psubscribe", "p*", 3)},
      {kReq, command({"PING"}) + command({"UNSUBSCRIBE"})},
      {kRes, "*2\r\n$4\r\npong\r\n$0\r\n\r\n" + confirm("unsubscribe", "a", 2) + message +
                 confirm("unsubscribe", "b", 1)},
      {kReq, command({"PUNSUBSCRIBE", "p*"})},
      {kRes, confirm("punsubscribe", "p*", 0)},
      {kReq, command({"UNSUBSCRIBE"}) + command({"GET", "k"})},
      {kRes, "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n$-1\r\n"},
  };
  const Outcome o = play(redis_entry(), script);
  std::string roles;
  for (const Message& m : o.messages) {
    if (m.dir == kRes)
      roles += m.role == Role::kAnswer ? 'a' : m.role == Role::kInterim ? 'i' : 'p';
  }
  EXPECT_EQ(roles, "aipaaaipaaaa") << o.text();
  EXPECT_EQ(o.messages.back().exchange, o.messages[o.messages.size() - 3].exchange);
  EXPECT_EQ(testing::segmentation_difference(redis_entry(), script), "");
}

TEST(Redis, MonitorLinesArePushes) {
  const Outcome o =
      play(redis_entry(), {{kReq, command({"MONITOR"})},
                           {kRes, "+OK\r\n+1700000000.123456 [0 127.0.0.1:1] \"PING\"\r\n"},
                           {kReq, command({"QUIT"})},
                           {kRes, "+OK\r\n"}});
  ASSERT_EQ(o.messages.size(), 5u);
  EXPECT_EQ(o.messages[2].role, Role::kPush);
  EXPECT_EQ(o.messages[4].role, Role::kAnswer);
}

TEST(Redis, ClientReplyOffAndSkip) {
  const Outcome o = play(
      redis_entry(), {{kReq, command({"CLIENT", "REPLY", "SKIP"}) + command({"SET", "a", "1"}) +
                                 command({"GET", "a"}) + command({"CLIENT", "REPLY", "OFF"}) +
                                 command({"SET", "a", "2"}) + command({"client", "reply", "on"})},
                      {kRes, "$1\r\n1\r\n+OK\r\n"}});
  std::string roles;
  for (const Message& m : o.messages)
    roles += m.role == Role::kOneWay ? 'o' : m.role == Role::kRequest ? 'r' : 'a';
  EXPECT_EQ(roles, "oorooraa");
  EXPECT_EQ(o.messages[6].exchange, 3u);
  EXPECT_EQ(o.messages[7].exchange, 6u);
}

TEST(Redis, Faults) {
  struct Case {
    Dir dir;
    Bytes bytes;
    uint64_t offset;
  };
  for (const Case& c : {
           Case{kReq, Bytes("\x16\x03\x01", 3), 0},
           Case{kReq, "PING\r\n*1\r\n+no\r\n", 6},
           Case{kReq, "*99999999999999999\r\n", 0},
           Case{kReq, "*1\r\n$3\r\nabcX", 0},
           Case{kRes, "hello\r\n", 0},
           Case{kRes, "+OK\r\n$?\r\n", 5},
           Case{kRes, "$12345678901234567890123456789012345", 0},
       }) {
    const Outcome o = play(redis_entry(), {{c.dir, c.bytes}});
    ASSERT_TRUE(o.fault) << c.bytes;
    EXPECT_EQ(o.fault->offset, c.offset) << c.bytes;
    EXPECT_EQ(testing::segmentation_difference(redis_entry(), {{c.dir, c.bytes}}), "");
  }
  Bytes deep;
  for (int i = 0; i < 300; ++i) deep += "*1\r\n";
  EXPECT_TRUE(play(redis_entry(), {{kRes, deep}}).fault);
  const Outcome sync =
      play(redis_entry(), {{kReq, command({"PSYNC", "?", "-1"})}, {kRes, "+FULLRESYNC"}});
  ASSERT_TRUE(sync.fault);
  EXPECT_EQ(sync.fault->offset, 0u);
}

TEST(Redis, GapInsideABulkString) {
  const auto codec = redis_entry().make_codec({});
  std::vector<Message> out;
  codec->feed(kReq, command({"PING"}) + command({"GET", "k"}), 1, out);
  codec->feed(kRes, "+PONG\r\n$10\r\nab", 1, out);
  codec->gap(kRes, 8, 1, out);
  codec->feed(kReq, command({"PING"}), 1, out);
  codec->feed(kRes, "\r\n+PONG\r\n", 1, out);
  ASSERT_EQ(out.size(), 6u);
  EXPECT_TRUE(out[3].incomplete);
  EXPECT_EQ(out[5].bytes, "+PONG\r\n");
  EXPECT_EQ(out[5].begin, 24u);
  EXPECT_FALSE(codec->fault());
}

TEST(Redis, TemplatesAndErrors) {
  const auto responder = redis_entry().make_responder();
  const auto answer = [&](const Bytes& request, ByteView recorded = {}) -> std::string {
    const Outcome o = play(redis_entry(), {{kReq, request}}, 0, 0, {}, false);
    auto a = responder->template_answer(o.messages.at(0), recorded);
    return a ? **a : "match";
  };
  EXPECT_EQ(answer("PING\r\n"), "+PONG\r\n");
  EXPECT_EQ(answer(command({"PING", "hi"})), "$2\r\nhi\r\n");
  EXPECT_EQ(answer(command({"AUTH", "p"}), "-ERR no\r\n"), "+OK\r\n");
  EXPECT_EQ(answer(command({"SELECT", "1"})), "+OK\r\n");
  EXPECT_EQ(answer(command({"CLIENT", "ID"}), ":7\r\n"), ":7\r\n");
  EXPECT_EQ(answer(command({"HELLO", "3"}), "%0\r\n"), "%0\r\n");
  EXPECT_EQ(answer(command({"HELLO", "4"})).substr(0, 8), "-NOPROTO");
  EXPECT_EQ(answer(command({"GET", "k"})), "match");
  EXPECT_EQ(answer(command({"SUBSCRIBE", "k"})), "match");
  for (const char* version : {"2", "3"}) {
    const Bytes hello = answer(command({"HELLO", version}), "-NOAUTH x\r\n");
    const Outcome o =
        play(redis_entry(), {{kReq, command({"HELLO", version})}, {kRes, hello}}, 0, 0, {}, false);
    ASSERT_EQ(o.messages.size(), 2u);
    EXPECT_EQ(o.messages[1].bytes, hello);
  }
  Message live;
  EXPECT_EQ(responder->error(live, "no\r\ncall"), "-ERR reprise: no\\r\\ncall\r\n");
}

TEST(Redis, Detects) {
  const auto detect = [](ByteView client, ByteView server = {}) {
    return redis_entry().detect({client, server});
  };
  EXPECT_EQ(detect(""), Likelihood::kNeedMore);
  EXPECT_EQ(detect("*"), Likelihood::kNeedMore);
  EXPECT_EQ(detect("*2\r"), Likelihood::kNeedMore);
  EXPECT_EQ(detect("*2\r\n"), Likelihood::kNeedMore);
  EXPECT_EQ(detect("*2\r\n$3"), Likelihood::kYes);
  EXPECT_EQ(detect("*2\r\n+"), Likelihood::kNo);
  EXPECT_EQ(detect("*x"), Likelihood::kNo);
  EXPECT_EQ(detect("pin"), Likelihood::kNeedMore);
  EXPECT_EQ(detect("ping\r\n"), Likelihood::kYes);
  EXPECT_EQ(detect("GET / HTTP/1.1\r\n"), Likelihood::kNo);
  EXPECT_EQ(detect("HELP\r\n"), Likelihood::kNo);
  EXPECT_EQ(detect("\x16\x03"), Likelihood::kNo);
  EXPECT_EQ(detect("PING\r\n", "HTTP"), Likelihood::kNo);
}

}  // namespace
}  // namespace reprise::wire
