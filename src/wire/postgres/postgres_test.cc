#include "wire/postgres/postgres.h"

#include <gmock/gmock.h>

#include "wire/postgres/pg_fixtures.h"
#include "wire/postgres/pg_messages.h"

namespace reprise::wire {
namespace {

using namespace testing;  // fixtures
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Bytes msg(char type, ByteView body = {}) {
  Bytes out;
  postgres::put_message(out, type, body);
  return out;
}
Bytes z(ByteView text) { return Bytes(text) + Bytes(1, '\0'); }
Bytes query(ByteView sql) { return msg('Q', z(sql)); }
Bytes parse(ByteView name, ByteView sql) { return msg('P', z(name) + z(sql) + Bytes(2, '\0')); }
Bytes bind(ByteView statement, ByteView param, char result_format = 0) {
  Bytes b = z("") + z(statement);
  put_be16(b, 0), put_be16(b, 1), put_be32(b, static_cast<uint32_t>(param.size()));
  b.append(param);
  put_be16(b, 1), put_be16(b, static_cast<unsigned>(result_format));
  return msg('B', b);
}
Bytes describe_portal() { return msg('D', z("P")); }
Bytes execute() { return msg('E', Bytes(5, '\0')); }
const Bytes kSync = msg('S');
const Bytes kFlush = msg('H');
Bytes row(ByteView value) {
  Bytes b;
  put_be16(b, 1), put_be32(b, static_cast<uint32_t>(value.size()));
  b.append(value);
  return msg('D', b);
}
Bytes row_description(ByteView name) {
  Bytes b;
  put_be16(b, 1);
  b += z(name);
  put_be32(b, 0), put_be16(b, 0), put_be32(b, 25), put_be16(b, 0xffff), put_be32(b, 0),
      put_be16(b, 0);
  return msg('T', b);
}
Bytes tag(ByteView t) { return msg('C', z(t)); }
Bytes ready(ByteView state = "I") { return msg('Z', state); }
Bytes failure() { return msg('E', z("SERROR") + z("C42P01") + z("Mnope") + Bytes(1, '\0')); }

Bytes startup() {
  Bytes b;
  put_be32(b, 0);
  put_be32(b, postgres::kProtocol3);
  b += z("user") + z("u") + z("database") + z("shop") + Bytes(1, '\0');
  b[3] = static_cast<char>(b.size());
  return b;
}
Bytes ssl_request() { return unhex("0000000804d2162f"); }

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
// A single unit, late enough that no start-up is needed.
Message unit(const Bytes& bytes) {
  const auto out = run(postgres_entry(), {{Dir::kRequest, bytes}});
  EXPECT_EQ(out.size(), 1u);
  return out.front();
}

TEST(Postgres, APsycopgSession) {
  std::string fault;
  const auto messages = run(postgres_entry(), dialogue(kPsycopg), &fault);
  EXPECT_EQ(fault, "");
  for (const Message& m : messages) EXPECT_FALSE(m.incomplete);
  const auto c = calls(postgres_entry(), messages);
  ASSERT_EQ(c.size(), 45u);
  EXPECT_EQ(c[0], "SSL_REQUEST: SSL_REQUEST => no encryption");
  EXPECT_EQ(c[1], "STARTUP: login as u, database shop => login: method 10");
  EXPECT_EQ(c[3], "PASSWORD: login, continued => login OK");
  EXPECT_EQ(c[5],
            "EXECUTE: select id,name,price,at,data from t where id=$1 and name=$2 [1, a] => 1 row");
  EXPECT_EQ(c[8], "PREPARE: PREPARE select name from t where id=$1 => prepared");
  EXPECT_EQ(c[9], "EXECUTE: select name from t where id=$1 [2] => 1 row");
  EXPECT_EQ(
      c[16],
      "EXECUTE: select * from nope where x=$1 [1] => ERR 42P01 relation \"nope\" does not exist");
  // A pipeline: four executions, one Sync; and one whose error came before its end was sent.
  EXPECT_THAT(c[20], HasSubstr("=> OK, 1 affected; OK, 1 affected; OK, 1 affected; 1 row"));
  EXPECT_THAT(c[23], HasSubstr("select * from nope2; select $1 [1] => ERR 42P01"));
  EXPECT_EQ(c[27], "QUERY: copy t(name) from stdin => copy in");
  EXPECT_EQ(c[28], "COPY_DATA: COPY_DATA, 4 bytes => OK, 2 affected");
  EXPECT_EQ(c[29], "QUERY: copy t(name) to stdout => OK, 7 affected");
  EXPECT_EQ(c[41], "PREPARE: PREPARE cursor cur => OK");
  EXPECT_EQ(c[44], "TERMINATE: TERMINATE");
}

TEST(Postgres, LeavesOfAPipeline) {
  const auto messages = run(postgres_entry(), dialogue(kPsycopg));
  const Message& m = request(messages, "insert into t(name) values($1) [p0]");
  EXPECT_EQ(m.operation.effect, Effect::kWrite);
  EXPECT_EQ(find_leaf(m.operation.leaves, "param.0")->text, "p0");
  EXPECT_EQ(find_leaf(m.operation.leaves, "param[2].0")->text, "p2");
  EXPECT_EQ(find_leaf(m.operation.leaves, "sql[3]")->text, "select 1");
  // int2 parameters in binary
  const Message& q = request(messages, "select name from t where id=$1 [3]");
  EXPECT_EQ(find_leaf(q.operation.leaves, "param.0")->form, LeafForm::kNumber);
  EXPECT_EQ(q.operation.effect, Effect::kRead);
  // A binary result, decoded by the types of RowDescription.
  const Message& b = request(messages, "select id, name, at from t where id = $1");
  const Answer a =
      postgres_entry().describe_answer(b.bytes, b.operation, answer(messages, b.exchange).bytes);
  EXPECT_EQ(find_leaf(a.leaves, "row[0].id")->text, "2");
  EXPECT_EQ(find_leaf(a.leaves, "row[0].at")->form, LeafForm::kNull);
}

TEST(Postgres, PsqlAndPhp) {
  EXPECT_THAT(calls(postgres_entry(), run(postgres_entry(), dialogue(kPsql))),
              Contains("COPY_DATA: COPY_DATA, 20 bytes => OK, 2 affected"));
  const auto php = calls(postgres_entry(), run(postgres_entry(), dialogue(kPhp)));
  EXPECT_THAT(php, Contains("EXECUTE: select price from t where id=$1 [2] => 1 row"));
}

TEST(Postgres, AnySegmentation) {
  expect_any_segmentation(postgres_entry(), dialogue(kPhp));
  expect_any_segmentation(postgres_entry(), dialogue(kPsql));
  expect_any_segmentation(postgres_entry(), dialogue(kPsycopg));
}

TEST(Postgres, PipelinedSyncsPairInOrder) {
  const Bytes one = parse("", "select 'a'") + bind("", "x") + execute() + kSync;
  const Bytes two = bind("", "y") + execute() + kSync;
  const Bytes first = msg('1') + msg('2') + row("a") + tag("SELECT 1") + ready();
  const Bytes second = msg('2') + tag("SELECT 0") + ready();
  const Dialogue d = {{Dir::kRequest, one + two}, {Dir::kResponse, first + second}};
  const auto m = run(postgres_entry(), d);
  ASSERT_EQ(m.size(), 4u);
  EXPECT_EQ(answer(m, 1).bytes, first);
  EXPECT_EQ(answer(m, 2).bytes, second);
  expect_any_segmentation(postgres_entry(), d);
}

// Drivers that send Flush wait for the answers to what they flushed.
TEST(Postgres, AFlushEndsAUnitToo) {
  const Bytes described = msg('t', ByteView("\0\1\0\0\0\x17", 6)) + row_description("a");
  const Bytes answer1 = msg('1') + described;
  Bytes binary_bind = z("") + z("s");
  binary_bind += unhex(
      "0001000100010000000400000011"
      "0000");
  const Dialogue d = {
      {Dir::kRequest, parse("s", "select a from t where b=$1") + msg('D', z("Ss")) + kFlush},
      {Dir::kResponse, answer1},
      {Dir::kRequest, msg('B', binary_bind) + execute() + kSync},
      {Dir::kResponse, msg('2') + row("v") + tag("SELECT 1") + ready()}};
  const auto m = run(postgres_entry(), d);
  ASSERT_EQ(m.size(), 4u);
  EXPECT_EQ(answer(m, 1).bytes, answer1);
  // The type of the parameter is learnt from the description.
  EXPECT_EQ(find_leaf(m[2].operation.leaves, "param.0")->text, "17");
  expect_any_segmentation(postgres_entry(), d);
}

TEST(Postgres, AfterAnErrorNothingIsAnsweredUpToSync) {
  const auto m = run(postgres_entry(), {{Dir::kRequest, parse("", "selec") + kFlush},
                                        {Dir::kResponse, failure()},
                                        {Dir::kRequest, bind("", "x") + execute() + kFlush},
                                        {Dir::kRequest, kSync},
                                        {Dir::kResponse, ready("E")},
                                        {Dir::kRequest, query("rollback")},
                                        {Dir::kResponse, tag("ROLLBACK") + ready()}});
  ASSERT_EQ(m.size(), 7u);
  EXPECT_EQ(m[2].role, Role::kOneWay);
  EXPECT_EQ(m[4].bytes, ready("E"));
  EXPECT_EQ(m[4].exchange, m[3].exchange);
  EXPECT_EQ(m[6].exchange, m[5].exchange);
}

TEST(Postgres, CopyInOfTheExtendedProtocolEndsWithSync) {
  const Dialogue d = {
      {Dir::kRequest, parse("", "copy t from stdin") + bind("", "") + execute() + kSync},
      {Dir::kResponse, msg('1') + msg('2') + msg('G', ByteView("\0\0\0", 3))},
      {Dir::kRequest, msg('d', "row\n") + msg('c') + kSync},
      {Dir::kResponse, tag("COPY 1") + ready()},
      {Dir::kRequest, query("select 1")},
      {Dir::kResponse, tag("SELECT 0") + ready()}};
  const auto m = run(postgres_entry(), d);
  ASSERT_EQ(m.size(), 6u);
  EXPECT_EQ(m[2].operation.verb, "COPY_DATA");
  EXPECT_EQ(m[3].exchange, m[2].exchange);
  EXPECT_EQ(m[5].exchange, m[4].exchange);
  EXPECT_EQ(m[4].operation.tier, Tier::kHeartbeat);
}

TEST(Postgres, WhatNobodyAskedForIsAPush) {
  const auto m =
      run(postgres_entry(),
          {{Dir::kRequest, query("listen c")},
           {Dir::kResponse, tag("LISTEN") + ready()},
           {Dir::kResponse, msg('A', ByteView("\0\0\0\1c\0hi\0", 9)) + msg('N', z(""))}});
  ASSERT_EQ(m.size(), 4u);
  EXPECT_EQ(m[2].role, Role::kPush);
  EXPECT_EQ(m[3].role, Role::kPush);
}

TEST(Postgres, Faults) {
  std::string fault;
  auto m = run(postgres_entry(),
               {{Dir::kRequest, ssl_request()}, {Dir::kResponse, "S"}, {Dir::kRequest, "\x16\3\1"}},
               &fault);
  EXPECT_EQ(fault, "TLS: opaque");
  EXPECT_EQ(m.size(), 2u);
  run(postgres_entry(), {{Dir::kRequest, Bytes("Q\0\0\0\1", 5)}}, &fault);
  EXPECT_EQ(fault, "no PostgreSQL message");
  run(postgres_entry(), {{Dir::kRequest, "GET / HTTP/1.1"}}, &fault);
  EXPECT_EQ(fault, "no PostgreSQL message");
  m = run(postgres_entry(), {{Dir::kRequest, unhex("0000001004d2162e0000000100000002")}}, &fault);
  EXPECT_EQ(m.front().role, Role::kOneWay);
  EXPECT_EQ(m.front().operation.verb, "CANCEL");
}

TEST(Postgres, AFatalErrorIsACompleteAnswer) {
  auto m = run(postgres_entry(), {{Dir::kRequest, query("select 1")}, {Dir::kResponse, failure()}});
  EXPECT_FALSE(m.back().incomplete);
  m = run(postgres_entry(), {{Dir::kRequest, query("select 1")}, {Dir::kResponse, row("a")}});
  EXPECT_TRUE(m.back().incomplete);
}

TEST(Postgres, LimitsAndGaps) {
  CodecOptions small;
  small.message_limit = 100;
  const Bytes reply = row(Bytes(5000, 'x')) + tag("SELECT 1") + ready();
  auto m = run(postgres_entry(), {{Dir::kRequest, query("select x")}, {Dir::kResponse, reply}},
               nullptr, small);
  EXPECT_TRUE(m[1].truncated);
  EXPECT_EQ(m[1].end, reply.size());

  const auto codec = postgres_entry().make_codec({});
  std::vector<Message> out;
  codec->feed(Dir::kRequest, query("select x"), 1, out);
  codec->feed(Dir::kResponse, ByteView(reply).substr(0, 100), 1, out);
  codec->gap(Dir::kResponse, 1000, 1, out);  // inside the row
  EXPECT_TRUE(out.back().incomplete);
  codec->feed(Dir::kResponse, ByteView(reply).substr(1100), 1, out);
  codec->feed(Dir::kRequest, query("select y"), 1, out);
  codec->feed(Dir::kResponse, tag("SELECT 0"), 1, out);
  codec->gap(Dir::kResponse, 6, 1, out);  // over a boundary: the next request finds one
  codec->feed(Dir::kRequest, query("select z"), 1, out);
  codec->feed(Dir::kResponse, tag("SELECT 0") + ready(), 1, out);
  EXPECT_FALSE(codec->fault());
  EXPECT_EQ(out.back().role, Role::kAnswer);
  EXPECT_EQ(out.back().bytes, tag("SELECT 0") + ready());
  EXPECT_EQ(out.size(), 6u);
}

TEST(Postgres, Values) {
  const auto value = [](ByteView hex, uint32_t oid) {
    Leaf l;
    postgres::read_value(unhex(hex), oid, 1, l);
    return l.text;
  };
  EXPECT_EQ(value("ffff", 21), "-1");
  EXPECT_EQ(value("00000007", 23), "7");
  EXPECT_EQ(value("01", 16), "t");
  EXPECT_EQ(value("3ff8000000000000", 701), "1.5");
  EXPECT_EQ(value("550e8400e29b41d4a716446655440000", 2950),
            "550e8400-e29b-41d4-a716-446655440000");
  EXPECT_EQ(value("0002000000000002"
                  "00010fa0",
                  1700),
            "1.40");
  EXPECT_EQ(value("0002000140000000"
                  "000c0022",
                  1700),
            "-120034");
  EXPECT_EQ(value("0001fffe00000006"
                  "07d0",
                  1700),
            "0.000020");
  Leaf cut;
  postgres::read_value("abc", 23, 1, cut);
  EXPECT_EQ(cut.form, LeafForm::kBinary);
}

TEST(PostgresResponder, LoginsNeedNoSecret) {
  const auto r = postgres_entry().make_responder();
  const auto m =
      run(postgres_entry(),
          {{Dir::kRequest, ssl_request()}, {Dir::kResponse, "N"}, {Dir::kRequest, startup()}});
  EXPECT_EQ(**r->template_answer(m[0], {}), "N");
  const Bytes defaults = **r->template_answer(m[2], {});
  EXPECT_THAT(defaults, StartsWith(msg('R', Bytes(4, '\0'))));
  EXPECT_THAT(defaults, HasSubstr(z("client_encoding") + z("UTF8")));
  EXPECT_THAT(defaults, ::testing::EndsWith(ready()));
  // From a recorded SCRAM login: the parameters without the proof.
  const auto recorded = run(postgres_entry(), dialogue(kPsycopg));
  const Bytes played = **r->template_answer(m[2], answer(recorded, 4).bytes);
  EXPECT_THAT(played, HasSubstr("15.18 (Debian"));
  EXPECT_THAT(played, ::testing::Not(HasSubstr("v=")));
}

TEST(PostgresResponder, AnAnswerIsBuiltAgainForTheLiveUnit) {
  const auto r = postgres_entry().make_responder();
  const Bytes recorded_unit =
      parse("", "q") + bind("", "x") + describe_portal() + execute() + kSync;
  const Bytes recorded =
      msg('1') + msg('2') + row_description("a") + row("v") + tag("SELECT 1") + ready("T");
  // The live driver has prepared it before.
  EXPECT_EQ(*r->adapt(unit(bind("s", "x") + describe_portal() + execute() + kSync), recorded_unit,
                      recorded),
            msg('2') + row_description("a") + row("v") + tag("SELECT 1") + ready("T"));
  EXPECT_EQ(*r->adapt(unit(bind("s", "x") + execute() + msg('C', z("Ss")) + kSync), recorded_unit,
                      recorded),
            msg('2') + row("v") + tag("SELECT 1") + msg('3') + ready("T"));
  // And the other way round, where the description is missing.
  const Bytes short_unit = bind("s", "x") + execute() + kSync;
  const Bytes short_answer = msg('2') + row("v") + tag("SELECT 1") + ready();
  EXPECT_EQ(
      *r->adapt(unit(parse("", "q") + bind("", "x") + execute() + kSync), short_unit, short_answer),
      msg('1') + short_answer);
  EXPECT_FALSE(r->adapt(unit(recorded_unit), short_unit, short_answer));
  // Other result formats would be misread.
  EXPECT_FALSE(r->adapt(unit(bind("s", "x", 1) + execute() + kSync), short_unit, short_answer));
  EXPECT_FALSE(
      r->adapt(unit(bind("s", "x") + execute() + execute() + kSync), short_unit, short_answer));
  // A simple query takes the answer as it is, if it is whole.
  EXPECT_EQ(*r->adapt(unit(query("q")), {}, recorded), recorded);
  EXPECT_FALSE(r->adapt(unit(query("q")), {}, ByteView(recorded).substr(0, 40)));
}

TEST(PostgresResponder, RecordedErrors) {
  const auto r = postgres_entry().make_responder();
  const Message live = unit(parse("", "q") + bind("", "x") + describe_portal() + execute() + kSync);
  EXPECT_EQ(*r->adapt(live, live.bytes, failure() + ready("E")), failure() + ready("E"));
  EXPECT_EQ(*r->adapt(live, live.bytes,
                      msg('1') + msg('2') + row_description("a") + failure() + ready("E")),
            msg('1') + msg('2') + row_description("a") + failure() + ready("E"));
}

TEST(PostgresResponder, EachRecordedAnswerFitsItsOwnRequest) {
  for (const auto& fixture : {std::span<const Chunk>(kPsycopg), std::span<const Chunk>(kPhp),
                              std::span<const Chunk>(kPsql)}) {
    const auto r = postgres_entry().make_responder();
    const auto all = run(postgres_entry(), dialogue(fixture));
    for (const Message& m : all) {
      if (m.role != Role::kRequest || m.operation.tier == Tier::kHandshake) continue;
      const Bytes& recorded = answer(all, m.exchange).bytes;
      const auto played = r->adapt(m, m.bytes, recorded);
      ASSERT_TRUE(played) << played.error().message;
      // Notifications move to the end.
      if (recorded.find(Bytes("A\0\0\0", 4)) != Bytes::npos) continue;
      EXPECT_EQ(*played, recorded) << m.operation.label;
    }
  }
}

TEST(PostgresResponder, TemplatesAndErrors) {
  const auto r = postgres_entry().make_responder();
  EXPECT_EQ(**r->template_answer(unit(kSync), {}), ready());
  EXPECT_EQ(**r->template_answer(unit(parse("s", "select 2") + kSync), {}), msg('1') + ready());
  EXPECT_EQ(r->template_answer(unit(parse("s", "select 2") + msg('D', z("Ss")) + kSync), {}),
            std::nullopt);
  EXPECT_EQ(r->template_answer(unit(query("select 2")), {}), std::nullopt);
  EXPECT_EQ(**r->template_answer(unit(query("SET x = 1")), {}), tag("SET") + ready());
  EXPECT_EQ(r->template_answer(unit(query("show x")), {}), std::nullopt);
  EXPECT_EQ(
      **r->template_answer(
          unit(parse("", "reset all") + bind("", "") + describe_portal() + execute() + kSync), {}),
      msg('1') + msg('2') + msg('n') + tag("RESET") + ready());
  *r->adapt(unit(query("begin")), {}, tag("BEGIN") + ready("T"));
  const Bytes e = r->error(unit(query("select 2")), "no such call");
  EXPECT_THAT(e, HasSubstr(z("CXX000") + z("Mreprise: no such call")));
  EXPECT_THAT(e, ::testing::EndsWith(ready("E")));
}

TEST(PostgresResponder, AnErrorToAFlushedUnitIsFollowedBySilenceUpToSync) {
  const auto r = postgres_entry().make_responder();
  EXPECT_THAT(r->error(unit(parse("s", "q") + msg('D', z("Ss")) + kFlush), "x"), StartsWith("E"));
  EXPECT_EQ(**r->template_answer(unit(bind("s", "x") + execute() + kFlush), {}), "");
  EXPECT_EQ(**r->template_answer(unit(bind("s", "x") + execute() + kSync), {}), ready());
  EXPECT_EQ(r->template_answer(unit(bind("s", "x") + execute() + kSync), {}), std::nullopt);
}

TEST(Postgres, Detect) {
  const auto detect = postgres_entry().detect;
  EXPECT_EQ(detect({}), Likelihood::kNeedMore);
  EXPECT_EQ(detect({ssl_request(), {}, false, 0}), Likelihood::kYes);
  EXPECT_EQ(detect({startup(), {}, false, 0}), Likelihood::kYes);
  EXPECT_EQ(detect({ByteView(startup()).substr(0, 12), {}, false, 0}), Likelihood::kNeedMore);
  EXPECT_EQ(detect({query("select 1"), {}, false, 5432}), Likelihood::kMaybe);
  EXPECT_EQ(detect({query("select 1"), {}, false, 80}), Likelihood::kNo);
  EXPECT_EQ(detect({"GET / HTTP/1.1", {}, false, 5432}), Likelihood::kNo);
  EXPECT_EQ(detect({"\x16\3\1\2\0\1\0\1\xfc\3\3", {}, false, 5432}), Likelihood::kNo);
}

}  // namespace
}  // namespace reprise::wire
