#include "wire/mysql/mysql.h"

#include <gmock/gmock.h>

#include "wire/mysql/answer_shape.h"
#include "wire/mysql/mysql_fixtures.h"

namespace reprise::wire {
namespace {

using namespace testing;  // fixtures
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Bytes packet(uint8_t seq, ByteView payload) {
  Bytes out;
  mysql::put_packet(out, seq, payload);
  return out;
}

Bytes ok_packet(uint8_t seq) { return packet(seq, ByteView("\0\0\0\2\0\0\0", 7)); }

Bytes login_payload(uint32_t caps, ByteView plugin) {
  Bytes p;
  put_le32(p, caps | mysql::kProtocol41 | mysql::kSecureConnection | mysql::kPluginAuth);
  put_le32(p, 1 << 24);
  put_u8(p, 45);
  p.append(23, '\0');
  p += "joe";
  put_u8(p, 0);
  put_u8(p, 2);
  p += "xy";
  p.append(plugin);
  put_u8(p, 0);
  return p;
}

Bytes greeting() { return mysql_entry().make_responder()->greeting({}); }

Dialogue logged_in(uint32_t caps = 0) {
  return {{Dir::kResponse, greeting()},
          {Dir::kRequest, packet(1, login_payload(caps, "mysql_native_password"))},
          {Dir::kResponse, ok_packet(2)}};
}

const Message& request(const std::vector<Message>& all, ByteView label) {
  for (const Message& m : all) {
    if (m.dir == Dir::kRequest && m.operation.label.starts_with(label)) return m;
  }
  ADD_FAILURE() << "no request " << label;
  return all.front();
}

const Message& answer(const std::vector<Message>& all, uint64_t exchange) {
  for (const Message& m : all) {
    if (m.role == Role::kAnswer && m.exchange == exchange) return m;
  }
  ADD_FAILURE() << "no answer " << exchange;
  return all.front();
}

TEST(Mysql, AMysqliSession) {
  std::string fault;
  const auto messages = run(mysql_entry(), dialogue(kMysqli), &fault);
  EXPECT_EQ(fault, "");
  ASSERT_EQ(messages.front().role, Role::kGreeting);
  const auto c = calls(mysql_entry(), messages);
  ASSERT_EQ(c.size(), 21u);
  EXPECT_EQ(c[0], "LOGIN: login as u, database shop => OK, 0 affected");
  EXPECT_EQ(c[4],
            "QUERY: select 1; select 2 as b; insert into t(name) values('m'); select nope => 1 "
            "row; 1 row; OK, 1 affected; "
            "ERR 1054 Unknown column 'nope' in 'SELECT'");
  EXPECT_EQ(c[5],
            "PREPARE: PREPARE select id,name,price,at,data from t where id=? and name=? and ? is "
            "null => prepared, 3 parameters");
  EXPECT_EQ(c[6],
            "EXECUTE: select id,name,price,at,data from t where id=? and name=? and ? is null [1, "
            "a, NULL] => 1 row");
  EXPECT_EQ(c[12],
            "EXECUTE: insert into t(name,price,data) values(?,?,?) [b, 2.25, long\\x00data] => OK, "
            "1 affected");
  EXPECT_EQ(c[16], "CHANGE_USER: CHANGE_USER u => login: switch to mysql_native_password");
  EXPECT_EQ(c[17], "AUTH_DATA: login, continued => OK, 0 affected");
  EXPECT_THAT(c[18], StartsWith("STATISTICS: STATISTICS => Uptime"));
  EXPECT_EQ(c[20], "QUIT: QUIT");
}

TEST(Mysql, LeavesOfAnExecution) {
  const auto messages = run(mysql_entry(), dialogue(kMysqli));
  const Message& q = request(
      messages, "select id,name,price,at,data from t where id=? and name=? and ? is null [2");
  EXPECT_EQ(q.operation.effect, Effect::kRead);
  EXPECT_EQ(q.operation.tier, Tier::kCall);
  EXPECT_EQ(find_leaf(q.operation.leaves, "sql")->form, LeafForm::kSql);
  EXPECT_EQ(find_leaf(q.operation.leaves, "param.0")->form, LeafForm::kNumber);
  EXPECT_EQ(find_leaf(q.operation.leaves, "param.2")->form, LeafForm::kNull);
  const Answer a =
      mysql_entry().describe_answer(q.bytes, q.operation, answer(messages, q.exchange).bytes);
  EXPECT_EQ(find_leaf(a.leaves, "row[0].name")->text, "b");
  EXPECT_EQ(find_leaf(a.leaves, "row[0].price")->text, "2.50");
  EXPECT_EQ(find_leaf(a.leaves, "row[0].price")->form, LeafForm::kNumber);
  EXPECT_EQ(find_leaf(a.leaves, "row[0].at")->form, LeafForm::kNull);
}

TEST(Mysql, LocalInfileIsARequestOfItsOwn) {
  const auto c = calls(mysql_entry(), run(mysql_entry(), dialogue(kInfile)));
  EXPECT_THAT(c, Contains(HasSubstr("=> asks for file /tmp/h2/inf.txt")));
  EXPECT_THAT(c, Contains("LOCAL_INFILE: file contents, 7 bytes => OK, 1 affected"));
}

TEST(Mysql, BothFormsOfEofAndMariadbExtensions) {
  for (const auto& fixture : {std::span<const Chunk>(kClassic), std::span<const Chunk>(kDeprecated),
                              std::span<const Chunk>(kMariadbExtensions)}) {
    std::string fault;
    const auto messages = run(mysql_entry(), dialogue(fixture), &fault);
    EXPECT_EQ(fault, "");
    const auto c = calls(mysql_entry(), messages);
    // A cursor's EXECUTE has no rows, its FETCHes have; pipelined EXECUTE of statement -1.
    EXPECT_THAT(c, Contains("EXECUTE: select id,price,at,data from t where id<? [9] => 0 rows"));
    EXPECT_THAT(
        c, Contains("STMT_FETCH: STMT_FETCH select id,price,at,data from t where id<? => 2 rows"));
    EXPECT_THAT(c, Contains("EXECUTE: select name from t where id=? [1] => 1 row"));
    // The second execution leaves the types out.
    EXPECT_THAT(c, Contains("EXECUTE: select id,price,at,data from t where id<? [2] => 1 row"));
    EXPECT_THAT(c, Contains("COM_77: COM_77 => ERR 1047 Unknown command"));
    EXPECT_THAT(c, Contains("FIELD_LIST: FIELD_LIST t\\x00 => OK"));
    for (const Message& m : messages) EXPECT_FALSE(m.incomplete) << m.operation.label;
  }
}

// Answers without definitions (cached metadata, fetches) are read with those of the PREPARE.
TEST(Mysql, RowsWithoutDefinitions) {
  const auto messages = run(mysql_entry(), dialogue(kMariadbExtensions));
  size_t seen = 0;
  for (const Message& m : messages) {
    const bool execution =
        m.operation.verb == "EXECUTE" &&
        m.operation.label.starts_with("select id,price,at,data from t where id<? [2]");
    if (!execution && m.operation.verb != "STMT_FETCH") continue;
    ++seen;
    const Answer a =
        mysql_entry().describe_answer(m.bytes, m.operation, answer(messages, m.exchange).bytes);
    ASSERT_NE(find_leaf(a.leaves, "row[0].price"), nullptr) << m.operation.label;
    if (!execution) continue;
    EXPECT_EQ(find_leaf(a.leaves, "row[0].at")->text, "2024-01-02 03:04:05");
  }
  EXPECT_EQ(seen, 3u);
}

TEST(Mysql, BulkExecution) {
  const auto messages = run(mysql_entry(), dialogue(kMariadbExtensions));
  for (const Message& m : messages) {
    if (m.operation.verb != "EXECUTE_BULK") continue;
    EXPECT_EQ(find_leaf(m.operation.leaves, "param[0].0")->text, "b1");
    EXPECT_EQ(find_leaf(m.operation.leaves, "param[0].1")->text, "1.5");
    EXPECT_EQ(find_leaf(m.operation.leaves, "param[1].1")->form, LeafForm::kNull);
    return;
  }
  FAIL() << "no bulk execution";
}

TEST(Mysql, AnySegmentation) {
  expect_any_segmentation(mysql_entry(), dialogue(kInfile));
  expect_any_segmentation(mysql_entry(), dialogue(kMysqli));
  expect_any_segmentation(mysql_entry(), dialogue(kMariadbExtensions));
}

// Without greeting and login the form of EOF is guessed from the bytes.
TEST(Mysql, JoinedLate) {
  for (const auto& fixture :
       {std::span<const Chunk>(kClassic), std::span<const Chunk>(kDeprecated)}) {
    Dialogue d = dialogue(fixture);
    d.erase(d.begin(), d.begin() + 3);
    std::string fault;
    const auto late = calls(mysql_entry(), run(mysql_entry(), d, &fault));
    EXPECT_EQ(fault, "");
    auto whole = calls(mysql_entry(), run(mysql_entry(), dialogue(fixture)));
    whole.erase(whole.begin());
    EXPECT_EQ(late, whole);
  }
}

TEST(Mysql, JoinedLateAtAnInsertPrepareWhoseEofIsInDoubt) {
  Dialogue d;
  Bytes prepared = packet(1, ByteView("\0\5\0\0\0\0\0\1\0\0\0\0", 12)) +
                   packet(2, "\3def-a-definition-of-a-parameter");
  for (const bool eof : {false, true}) {
    Bytes reply = prepared + (eof ? packet(3, ByteView("\xfe\0\0\2\0", 5)) : Bytes());
    d = {{Dir::kRequest, packet(0, "\x16insert into t values (?)")},
         {Dir::kResponse, reply},
         {Dir::kRequest, packet(0, ByteView("\x17\5\0\0\0\0\1\0\0\0\0\1\3\0\x2a\0\0\0", 18))},
         {Dir::kResponse, ok_packet(1)}};
    const auto messages = run(mysql_entry(), d);
    EXPECT_THAT(calls(mysql_entry(), messages),
                Contains("EXECUTE: insert into t values (?) [42] => OK, 0 affected"));
    EXPECT_EQ(answer(messages, 1).end, reply.size());
  }
}

TEST(Mysql, QueryAttributesOfMysql8) {
  Bytes hello = greeting();
  hello[4 + mysql::parse_greeting(ByteView(hello).substr(4)).high_at + 1] |= 0x08;
  // One attribute: no NULL, types sent, VAR_STRING "n" = "abc".
  const Bytes query = "\3" +
                      unhex(
                          "010100"
                          "01"
                          "fd00016e"
                          "03616263") +
                      "select 7";
  const auto m =
      run(mysql_entry(), {{Dir::kResponse, hello},
                          {Dir::kRequest, packet(1, login_payload(mysql::kQueryAttributes, "x"))},
                          {Dir::kResponse, ok_packet(2)},
                          {Dir::kRequest, packet(0, query)}});
  EXPECT_EQ(m.back().operation.label, "select 7");
  const auto late =
      run(mysql_entry(), {{Dir::kRequest, packet(0, ByteView("\3\0\1select 7", 11))}});
  EXPECT_EQ(late.back().operation.label, "select 7");
}

TEST(Mysql, CachingSha2) {
  const Bytes login = packet(1, login_payload(0, "caching_sha2_password"));
  Dialogue fast = {{Dir::kResponse, greeting()},
                   {Dir::kRequest, login},
                   {Dir::kResponse, packet(2, "\1\3") + ok_packet(3)}};
  EXPECT_THAT(
      lines(run(mysql_entry(), fast)),
      ElementsAre(StartsWith("greeting 1"), StartsWith("request 2"), StartsWith("answer 2")));
  Dialogue full = {{Dir::kResponse, greeting()},
                   {Dir::kRequest, login},
                   {Dir::kResponse, packet(2, "\1\4")},
                   {Dir::kRequest, packet(3, "\2")},
                   {Dir::kResponse, packet(4, "\1-----BEGIN PUBLIC KEY")},
                   {Dir::kRequest, packet(5, "encrypted")},
                   {Dir::kResponse, ok_packet(6)},
                   {Dir::kRequest, packet(0, "\x0e")},
                   {Dir::kResponse, ok_packet(1)}};
  const auto messages = run(mysql_entry(), full);
  EXPECT_THAT(
      calls(mysql_entry(), messages),
      ElementsAre("LOGIN: login as joe => login: more",
                  "AUTH_DATA: login, continued => login: more",
                  "AUTH_DATA: login, continued => OK, 0 affected", "PING: PING => OK, 0 affected"));
  EXPECT_EQ(messages.back().exchange, 5u);
}

TEST(Mysql, WhatCannotBeFramedIsAFault) {
  std::string fault;
  Bytes ssl = login_payload(mysql::kSsl, "").substr(0, 32);
  auto messages = run(
      mysql_entry(),
      {{Dir::kResponse, greeting()}, {Dir::kRequest, packet(1, ssl)}, {Dir::kRequest, "\x16\3\1"}},
      &fault);
  EXPECT_EQ(fault, "TLS: opaque");
  EXPECT_EQ(messages.back().operation.verb, "SSL_REQUEST");

  Bytes caps = dialogue(kMysqli)[0].bytes;  // a greeting that offers compression
  run(mysql_entry(),
      {{Dir::kResponse, caps},
       {Dir::kRequest, packet(1, login_payload(mysql::kCompress, "x"))},
       {Dir::kResponse, ok_packet(2)}},
      &fault);
  EXPECT_THAT(fault, HasSubstr("compressed"));

  Dialogue bad = logged_in();
  bad.push_back({Dir::kRequest, packet(0, "\x0e")});
  bad.push_back({Dir::kResponse, ok_packet(9)});
  run(mysql_entry(), bad, &fault);
  EXPECT_THAT(fault, HasSubstr("sequence"));
}

TEST(Mysql, ARowOf16MegabytesIsContinued) {
  Bytes row;
  mysql::put_lenenc_string(row, Bytes(17'000'000, 'x'));  // NOLINT(bugprone-string-constructor)
  Bytes reply = packet(1, "\1") + packet(2, "\3def....");
  reply += packet(3, ByteView("\xfe\0\0\2\0", 5)) + packet(4, row) +
           packet(6, ByteView("\xfe\0\0\2\0", 5));
  Dialogue d = logged_in();
  d.push_back({Dir::kRequest, packet(0, "\3select big")});
  d.push_back({Dir::kResponse, reply});
  d.push_back({Dir::kRequest, packet(0, "\x0e")});
  d.push_back({Dir::kResponse, ok_packet(1)});
  CodecOptions small;
  small.message_limit = 1000;
  std::string fault;
  const auto messages = run(mysql_entry(), d, &fault, small);
  EXPECT_EQ(fault, "");
  const Message& a = answer(messages, 3);
  EXPECT_TRUE(a.truncated);
  EXPECT_EQ(a.bytes.size(), 1000u);
  EXPECT_EQ(a.end - a.begin, reply.size());
  EXPECT_EQ(a.digest.size(), 32u);
  EXPECT_EQ(calls(mysql_entry(), messages).back(), "PING: PING => OK, 0 affected");
}

TEST(Mysql, ProgressReportsAndKilledConnections) {
  Dialogue d = logged_in();
  d.push_back({Dir::kRequest, packet(0, "\3alter table t add x int")});
  d.push_back({Dir::kResponse, packet(1, ByteView("\xff\xff\xff\1\1\2\0\0\0", 9)) + ok_packet(2)});
  d.push_back({Dir::kResponse, packet(0, ByteView("\xff\x87\x07#70100Connection was killed", 30))});
  const auto messages = run(mysql_entry(), d);
  EXPECT_EQ(calls(mysql_entry(), messages).back(),
            "QUERY: alter table t add x int => OK, 0 affected");
  EXPECT_EQ(messages.back().role, Role::kPush);
}

TEST(Mysql, AGapCostsTheAnswerThatItHits) {
  const auto codec = mysql_entry().make_codec({});
  std::vector<Message> out;
  Dialogue d = dialogue(kMysqli);
  size_t i = 0;
  for (; !(d[i].dir == Dir::kResponse && d[i].bytes.size() > 200); ++i)
    codec->feed(d[i].dir, d[i].bytes, 1, out);
  codec->feed(Dir::kResponse, d[i].bytes.substr(0, 60), 1, out);
  codec->gap(Dir::kResponse, d[i].bytes.size() - 60, 1, out);
  EXPECT_TRUE(out.back().incomplete);
  for (++i; i < d.size(); ++i) codec->feed(d[i].dir, d[i].bytes, 1, out);
  EXPECT_FALSE(codec->fault());
  EXPECT_EQ(out.back().operation.verb, "QUIT");
  EXPECT_EQ(lines(out).size(), lines(run(mysql_entry(), d)).size());
}

TEST(MysqlResponder, GreetingWithoutTlsAndCompression) {
  const auto r = mysql_entry().make_responder();
  const Bytes recorded = dialogue(kMysqli)[0].bytes;
  const auto caps = [](ByteView g) { return mysql::parse_greeting(g.substr(4)).capabilities; };
  Bytes tls = recorded;
  tls[mysql::parse_greeting(recorded.substr(4)).low_at + 4 + 1] |= 0x08;
  ASSERT_NE(caps(tls) & mysql::kSsl, 0u);
  const Bytes played = r->greeting(tls);
  EXPECT_EQ(caps(played), caps(recorded) & ~(mysql::kSsl | mysql::kCompress | mysql::kZstd));
  EXPECT_EQ(played.size(), recorded.size());
  EXPECT_EQ(mysql_entry().detect({{}, greeting(), true, 0}), Likelihood::kYes);
}

TEST(MysqlResponder, Logins) {
  const auto play = [](ByteView plugin) {
    const auto r = mysql_entry().make_responder();
    r->greeting({});
    const auto m = run(mysql_entry(), {{Dir::kResponse, greeting()},
                                       {Dir::kRequest, packet(1, login_payload(0, plugin))}});
    return *r->template_answer(m.back(), {});
  };
  EXPECT_EQ(*play("mysql_native_password"), ok_packet(2));
  EXPECT_EQ(*play("client_ed25519"), ok_packet(2));
  EXPECT_EQ(*play("caching_sha2_password"), packet(2, "\1\3") + ok_packet(3));
  EXPECT_THAT(play("auth_gssapi_client").error().message, HasSubstr("auth_gssapi_client"));
}

TEST(MysqlResponder, TemplatesAndErrors) {
  const auto r = mysql_entry().make_responder();
  const auto messages = run(mysql_entry(), dialogue(kMysqli));
  EXPECT_EQ(**r->template_answer(request(messages, "PING"), {}), ok_packet(1));
  EXPECT_EQ(**r->template_answer(request(messages, "SET NAMES"), {}), ok_packet(1));
  EXPECT_EQ(r->template_answer(request(messages, "select id,name"), {}), std::nullopt);
  const Message& prepare = request(messages, "PREPARE insert");
  EXPECT_EQ(r->template_answer(prepare, {}), std::nullopt);
  const Bytes recorded = answer(messages, prepare.exchange).bytes;
  for (uint32_t id = 1; id < 4; ++id) {
    const Bytes played = **r->template_answer(prepare, recorded);
    EXPECT_EQ(le32(played, 5), id);
    EXPECT_EQ(played.substr(9), recorded.substr(9));
  }
  EXPECT_EQ(r->error(prepare, "no"), packet(1, ByteView("\xff\x51\x04#HY000reprise: no", 20)));
}

// Each recorded answer, played to a client that agreed to the other form of EOF.
TEST(MysqlResponder, AnswersAreConvertedToTheFormOfEofThatTheClientAgreedTo) {
  const auto convert = [](std::span<const Chunk> from, std::span<const Chunk> to) {
    const Dialogue d = dialogue(from);
    const Dialogue other = dialogue(to);
    const auto recorded = run(mysql_entry(), d);
    const auto r = mysql_entry().make_responder();
    Dialogue played = {{Dir::kResponse, r->greeting(other[0].bytes)}};
    const auto codec = mysql_entry().make_codec({});
    std::vector<Message> live;
    codec->feed(Dir::kResponse, played[0].bytes, 1, live);
    codec->feed(Dir::kRequest, other[1].bytes, 1, live);
    const Bytes ok = **r->template_answer(live.back(), {});
    codec->feed(Dir::kResponse, ok, 1, live);
    for (const Message& m : recorded) {
      if (m.role != Role::kRequest || m.operation.tier == Tier::kHandshake) continue;
      codec->feed(Dir::kRequest, m.bytes, 1, live);
      auto a = r->adapt(m, m.bytes, answer(recorded, m.exchange).bytes);
      ASSERT_TRUE(a) << a.error().message;
      codec->feed(Dir::kResponse, *a, 1, live);
      ASSERT_FALSE(codec->fault()) << m.operation.label << ": " << codec->fault()->reason;
      ASSERT_EQ(live.back().role, Role::kAnswer) << m.operation.label;
      EXPECT_EQ(mysql_entry().describe_answer(m.bytes, m.operation, live.back().bytes).label,
                mysql_entry()
                    .describe_answer(m.bytes, m.operation, answer(recorded, m.exchange).bytes)
                    .label);
    }
  };
  convert(kClassic, kDeprecated);
  convert(kDeprecated, kClassic);
}

TEST(Mysql, Detect) {
  const auto detect = mysql_entry().detect;
  const Bytes hello = dialogue(kMysqli)[0].bytes;
  EXPECT_EQ(detect({}), Likelihood::kNeedMore);
  EXPECT_EQ(detect({{}, hello, true, 0}), Likelihood::kYes);
  EXPECT_EQ(detect({{}, ByteView(hello).substr(0, 30), true, 0}), Likelihood::kNeedMore);
  EXPECT_EQ(detect({{}, "220 mail.example.org ESMTP", true, 3306}), Likelihood::kNo);
  EXPECT_EQ(detect({"GET / HTTP/1.1", {}, false, 3306}), Likelihood::kNo);
  const Bytes query = packet(0, "\3select 1");
  EXPECT_EQ(detect({query, {}, false, 3306}), Likelihood::kMaybe);
  EXPECT_EQ(detect({query, {}, false, 80}), Likelihood::kNo);
}

}  // namespace
}  // namespace reprise::wire
