#include "run/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "run/call_findings.h"
#include "run/causes.h"
#include "run/plain_text.h"

namespace reprise::run {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

CallResult call(mock::Verdict verdict, const std::string& label, const std::string& operation) {
  CallResult c;
  c.verdict = verdict;
  c.protocol = "mysql";
  c.dependency = "10.0.0.5:3306";
  c.label = label;
  c.operation = operation;
  c.write = label.rfind("SELECT", 0) != 0;
  return c;
}

SessionResult session(uint64_t id, Outcome outcome, const std::string& label,
                      const std::string& operation) {
  SessionResult s;
  s.id = id;
  s.outcome = outcome;
  s.label = label;
  s.operation = operation;
  s.recorded_answer = "200 OK, 41 bytes";
  s.live_answer = "200 OK, 41 bytes";
  s.recorded_ns = 2000000;
  s.live_ns = static_cast<int64_t>(id) * 1000000;
  return s;
}

// Two orders with one new statement, one with a changed one, a status, a crash, a refusal.
RunResult made_up() {
  RunResult r;
  r.recording = "shop.rec";
  r.stage_mode = "user namespaces";
  r.elapsed_ns = 2310000000;
  r.notes = {"1 recorded name has no address"};
  r.leaks = {{"10.0.0.9:443", "tls", 3}};
  r.sessions.push_back(session(1, Outcome::kSame, "GET /cart/1", "GET /cart/{}"));
  for (const uint64_t id : {2, 3}) {
    SessionResult s = session(id, Outcome::kChanged, "POST /order", "POST /order");
    s.calls.push_back(call(mock::Verdict::kExact, "SELECT 1", "SELECT ?"));
    s.calls.push_back(call(mock::Verdict::kMiss, "UPDATE stock SET n = " + std::to_string(id),
                           "UPDATE stock SET n = ?"));
    s.answer.push_back({compare::Kind::kValue, "header.date", "a", "b", true, "volatile header"});
    r.sessions.push_back(s);
  }
  SessionResult changed = session(4, Outcome::kChanged, "POST /pay/7", "POST /pay/{}");
  CallResult miss =
      call(mock::Verdict::kMiss, "INSERT INTO p VALUES (2)", "INSERT INTO p VALUES (?)");
  miss.nearest = "INSERT INTO p VALUES (1)";
  miss.differences = {{"sql.literal[0]", "1", "2"}};
  miss.reason = "nearest differs";
  changed.calls.push_back(miss);
  changed.calls.push_back(
      call(mock::Verdict::kUnused, "INSERT INTO p VALUES (1)", "INSERT INTO p VALUES (?)"));
  changed.answer.push_back({compare::Kind::kValue, "body.items[id=7].price", "5", "7"});
  changed.answer.push_back({compare::Kind::kStatus, "status", "200", "500"});
  r.sessions.push_back(changed);
  SessionResult missed = session(5, Outcome::kMissedCalls, "GET /cart/5", "GET /cart/{}");
  missed.calls.push_back(call(mock::Verdict::kUnused, "SELECT a FROM t", "SELECT a FROM t"));
  r.sessions.push_back(missed);
  SessionResult crashed = session(6, Outcome::kCrashed, "GET /x", "GET /x");
  crashed.reason = "signal 11 in process 4711";
  crashed.live_answer.clear();
  r.sessions.push_back(crashed);
  SessionResult refused = session(7, Outcome::kRefused, "", "");
  refused.reason = "TLS";
  refused.live_ns = 0;
  r.sessions.push_back(refused);
  return r;
}

std::vector<std::string> titles(const RunResult& r) {
  std::vector<std::string> out;
  for (const Cause& c : causes(r)) out.push_back(std::to_string(c.sessions.size()) + ' ' + c.title);
  return out;
}

// Tags balance, attributes are quoted, no byte that XML 1.0 forbids.
bool well_formed(const std::string& xml_text) {
  std::vector<std::string> open;
  for (size_t i = 0; i < xml_text.size(); ++i) {
    const auto c = static_cast<unsigned char>(xml_text[i]);
    if (c < 0x20 && c != '\n') return false;
    if (c == '&') {
      const std::string entity = xml_text.substr(i, xml_text.find(';', i) - i + 1);
      if (entity != "&amp;" && entity != "&lt;" && entity != "&gt;" && entity != "&quot;" &&
          entity != "&#10;" && entity != "&#9;") {
        return false;
      }
    }
    if (c != '<') continue;
    const size_t end = xml_text.find('>', i);
    if (end == xml_text.npos) return false;
    const std::string tag = xml_text.substr(i + 1, end - i - 1);
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0 || tag.find('<') != tag.npos) return false;
    i = end;
    if (tag[0] == '?' || tag.back() == '/') continue;
    if (tag[0] != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    } else if (open.empty() || open.back() != tag.substr(1)) {
      return false;
    } else {
      open.pop_back();
    }
  }
  return open.empty();
}

}  // namespace

TEST(Result, ExitCode) {
  RunResult r;
  EXPECT_EQ(r.exit_code(), 1);  // nothing was compared
  r.sessions.push_back(session(1, Outcome::kSame, "a", "a"));
  EXPECT_EQ(r.exit_code(), 0);
  r.sessions.push_back(session(2, Outcome::kRefused, "a", "a"));
  EXPECT_EQ(r.exit_code(), 1);  // one that was not compared is not the same
  r.sessions.pop_back();
  EXPECT_EQ(r.exit_code(), 0);
  r.sessions.push_back(session(3, Outcome::kMissedCalls, "a", "a"));
  EXPECT_EQ(r.exit_code(), 1);
}

TEST(Report, SummaryOfASmallRun) {
  EXPECT_EQ(summary(made_up()),
            "1 same   3 changed   1 missed calls   1 crashed   0 hung   1 refused\n"
            "7 sessions of shop.rec in 2.31 s, user namespaces\n"
            "\n"
            "What changed\n"
            "  crash        1  crashed: signal # in process #\n"
            "                  GET /x; session 6: GET /x: signal 11 in process 4711\n"
            "  high         2  new call: UPDATE stock SET n = ? (mysql)\n"
            "                  POST /order; session 2: UPDATE stock SET n = 2\n"
            "  high         1  changed call: INSERT INTO p VALUES (?) (mysql): sql.literal[]\n"
            "                  POST /pay/{}; session 4: sql.literal[0]: 1 -> 2 (1 more differ as a consequence)\n"
            "  medium       1  missing call: SELECT a FROM t (mysql)\n"
            "                  GET /cart/{}; session 5: SELECT a FROM t\n"
            "  -            1  refused: TLS\n"
            "                  session 7: TLS\n"
            "\n"
            "Calls    2 exact, 3 miss, 2 unused\n"
            "Leaks    10.0.0.9:443 tls, 3 times\n"
            "Notes    1 recorded name has no address\n"
            "Slowest  6 ms, recorded 2 ms: session 6 GET /x\n"
            "         5 ms, recorded 2 ms: session 5 GET /cart/5\n"
            "         4 ms, recorded 2 ms: session 4 POST /pay/7\n");
}

TEST(Report, SummaryFitsAScreenAndColoursOnlyIfAsked) {
  RunResult r;
  for (uint64_t id = 1; id <= 500; ++id) {
    SessionResult s =
        session(id, Outcome::kChanged, std::string(500, 'x'), "GET /" + std::to_string(id));
    s.answer.push_back(
        {compare::Kind::kValue, "body.f" + std::to_string(id), std::string(400, 'a'), "b"});
    r.sessions.push_back(s);
    r.notes.push_back(std::string(300, 'n'));
    r.leaks.push_back({"1.2.3.4:5", "tls", id});
  }
  const std::string plain = summary(r);
  EXPECT_LE(std::count(plain.begin(), plain.end(), '\n'), 45);
  EXPECT_THAT(plain, HasSubstr("  488 more, see --json\n"));
  EXPECT_THAT(plain, Not(HasSubstr("\x1b")));
  for (size_t at = 0; at < plain.size();) {
    const size_t end = plain.find('\n', at);
    EXPECT_LE(end - at, 100u);
    at = end + 1;
  }
  EXPECT_THAT(summary(r, {.colours = true}), HasSubstr("\x1b[33m500 changed\x1b[0m"));
}

TEST(Report, TerminalIsSafeFromWhatTheSubjectSent) {
  RunResult r;
  SessionResult s = session(1, Outcome::kChanged, "GET /\x1b[2J\xc2\x9b", "GET /\r\n\x07");
  s.answer.push_back({compare::Kind::kValue, "body.\x1b]0;x", "\xff\xe2\x80\xae", "b\nc"});
  r.sessions.push_back(s);
  for (const std::string& text : {summary(r), explain(s)}) {
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, Not(HasSubstr("\x07")));
    EXPECT_THAT(text, Not(HasSubstr("\xc2\x9b")));
    EXPECT_THAT(text, Not(HasSubstr("\xe2\x80\xae")));
    EXPECT_THAT(text, Not(HasSubstr("\xff")));
  }
}

TEST(Report, JsonParsesAndIsComplete) {
  const auto json = parse_json(to_json(made_up()));
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ(json->integer_or("exit_code"), 1);
  EXPECT_EQ(json->get("outcomes")->integer_or("changed"), 3);
  EXPECT_EQ(json->get("verdicts")->integer_or("miss"), 3);
  ASSERT_EQ(json->get("sessions")->items.size(), 7u);
  const Json& pay = json->get("sessions")->items[3];
  EXPECT_EQ(pay.get("answer")->items[0].string_or("path"), "body.items[id=7].price");
  EXPECT_EQ(pay.get("calls")->items[0].string_or("nearest"), "INSERT INTO p VALUES (1)");
  EXPECT_EQ(json->get("sessions")->items[1].get("answer")->items[0].bool_or("forgiven"), true);
  EXPECT_EQ(json->get("causes")->items.size(), 5u);
  EXPECT_EQ(json->get("leaks")->items[0].integer_or("count"), 3);
}

TEST(Report, JunitOfASmallRun) {
  const std::string text = to_junit(made_up());
  EXPECT_TRUE(well_formed(text)) << text;
  EXPECT_THAT(text,
              HasSubstr("tests=\"7\" failures=\"4\" errors=\"1\" skipped=\"1\" time=\"2.310000\""));
  EXPECT_THAT(text, HasSubstr("<testcase classname=\"GET /cart/{}\" name=\"session 1 GET /cart/1\" "
                              "time=\"0.001000\"/>"));
  EXPECT_THAT(text, HasSubstr("message=\"new call: UPDATE stock SET n = 2\">"));
  EXPECT_THAT(text, HasSubstr("status status: 200 -&gt; 500&#10;changed call: INSERT"));
  EXPECT_THAT(text, HasSubstr("<error type=\"crashed\" message=\"signal 11 in process 4711\">"));
  EXPECT_THAT(text, HasSubstr("<skipped message=\"TLS\"/>"));
}

TEST(Report, JunitHoldsAnyByte) {
  std::string every;
  for (int i = 0; i < 256; ++i) every += static_cast<char>(i);
  every += "]]>\xef\xbf\xbf";
  RunResult r;
  r.recording = every;
  r.notes = {every};
  for (const Outcome o : {Outcome::kChanged, Outcome::kCrashed, Outcome::kRefused}) {
    SessionResult s = session(1, o, every, every);
    s.reason = every;
    s.answer.push_back({compare::Kind::kValue, every, every, every});
    s.calls.push_back(call(mock::Verdict::kMiss, every, every));
    r.sessions.push_back(s);
  }
  const std::string text = to_junit(r);
  EXPECT_TRUE(well_formed(text));
  EXPECT_THAT(text, Not(HasSubstr("\xef\xbf\xbf")));
  EXPECT_THAT(text, Not(HasSubstr("\x7f")));
  EXPECT_TRUE(parse_json(to_json(r)));
}

TEST(Report, ExplainsOneSessionInFull) {
  EXPECT_EQ(explain(made_up().sessions[3]),
            "session 4  POST /pay/7  changed\n"
            "  recorded 200 OK, 41 bytes in 2 ms\n"
            "  live     200 OK, 41 bytes in 4 ms\n"
            "  differences of the answer\n"
            "    value        body.items[id=7].price: 5 -> 7\n"
            "    status       status: 200 -> 500\n"
            "  calls\n"
            "      1 miss     mysql 10.0.0.5:3306  INSERT INTO p VALUES (2)\n"
            "                 nearest differs\n"
            "                 nearest: INSERT INTO p VALUES (1)\n"
            "                 sql.literal[0]: 1 -> 2\n"
            "      - unused   mysql 10.0.0.5:3306  INSERT INTO p VALUES (1)\n");
  EXPECT_THAT(
      explain(made_up().sessions[1]),
      HasSubstr(
          "  forgiven differences\n    value        header.date: a -> b (volatile header)\n"));
}

TEST(Causes, OneCauseOfSeveralOperations) {
  RunResult r;
  for (uint64_t id = 1; id <= 5; ++id) {
    SessionResult s = session(id, Outcome::kChanged, "x", id == 1 ? "GET /a" : "GET /b");
    s.answer.push_back(
        {compare::Kind::kValue, "body.users.12" + std::to_string(id) + ".name", "a", "b"});
    r.sessions.push_back(s);
  }
  const auto all = causes(r);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].title, "value changed: body.users.{}.name");
  EXPECT_THAT(all[0].sessions, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(all[0].operations, ElementsAre("GET /b", "GET /a"));
  EXPECT_EQ(all[0].example, "session 1: a -> b");
}

TEST(Causes, SeverityBeforeCount) {
  RunResult r;
  for (uint64_t id = 1; id <= 3; ++id) {
    SessionResult s = session(id, Outcome::kChanged, "x", "GET /a");
    s.answer.push_back({compare::Kind::kAdded, "body.new", "", "1"});
    if (id == 3) s.answer.push_back({compare::Kind::kType, "body.n", "1", "\"1\""});
    r.sessions.push_back(s);
  }
  EXPECT_THAT(titles(r), ElementsAre("1 type changed: body.n", "3 added: body.new"));
}

TEST(Causes, ErrorsOfProtocolsWithoutStatus) {
  RunResult r;
  for (uint64_t id = 1; id <= 2; ++id) {
    SessionResult s = session(id, Outcome::kChanged, "x", "GET");
    s.answer.push_back({compare::Kind::kStatus, "error", std::to_string(id) + " rows",
                        "no row 0x7f1" + std::to_string(id)});
    r.sessions.push_back(s);
  }
  EXPECT_THAT(titles(r), ElementsAre("2 error # rows -> no row #"));
}

TEST(Causes, OutsideSessionsOnlyWhatIsNew) {
  RunResult r;
  r.outside = {call(mock::Verdict::kMiss, "SELECT 2", "SELECT ?"),
               call(mock::Verdict::kUnused, "SELECT x", "SELECT x")};
  EXPECT_THAT(titles(r), ElementsAre("0 new call: SELECT ? (mysql), outside sessions"));
}

TEST(Causes, ForgivenAloneIsNone) {
  RunResult r;
  SessionResult s = session(1, Outcome::kSame, "x", "GET /a");
  s.answer.push_back({compare::Kind::kValue, "header.date", "a", "b", true, "volatile header"});
  r.sessions.push_back(s);
  EXPECT_THAT(causes(r), testing::IsEmpty());
}

TEST(CallFindings, PairsByNearestThenByOperation) {
  const std::string op = "UPDATE t SET a = ?";
  std::vector<CallResult> calls = {
      call(mock::Verdict::kMiss, "UPDATE t SET a = 8", op),
      call(mock::Verdict::kMiss, "UPDATE t SET a = 9", op),
      call(mock::Verdict::kMiss, "UPDATE t SET a = 10", op),
      call(mock::Verdict::kUnused, "UPDATE t SET a = 1", op),
      call(mock::Verdict::kUnused, "UPDATE t SET a = 2", op),
      call(mock::Verdict::kUnused, "UPDATE u SET a = 2", "UPDATE u SET a = ?"),
  };
  calls[1].nearest = "UPDATE t SET a = 1";
  const auto found = call_findings(calls);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].kind, CallFinding::Kind::kChanged);
  EXPECT_EQ(found[0].recorded, &calls[4]);
  EXPECT_EQ(found[1].recorded, &calls[3]);
  EXPECT_EQ(found[2].kind, CallFinding::Kind::kNew);
  EXPECT_EQ(found[3].kind, CallFinding::Kind::kMissing);
  EXPECT_EQ(found[3].recorded, &calls[5]);
}

TEST(PlainText, CutsAndEscapes) {
  EXPECT_EQ(shown("abc", 3), "abc");
  EXPECT_EQ(shown("abcdef", 5), "ab...");
  EXPECT_EQ(shown("\xc3\xa4\xc3\xa4", 2), "\xc3\xa4\xc3\xa4");
  EXPECT_EQ(shown("a\n\t\x01\xc0\x80"), "a\\n\\t\\x01\\xc0\\x80");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(100), "100");
  EXPECT_EQ(duration(950000), "950 us");
  EXPECT_EQ(xml("<a b=\"c\">&\x01"), "&lt;a b=&quot;c&quot;&gt;&amp;\\x01");
}

// What was skipped before an error is a finding of its own; what came after follows from it.
TEST(Causes, OnlyWhatComesAfterAnErrorFollowsFromIt) {
  RunResult r;
  SessionResult s = session(1, Outcome::kChanged, "POST /a", "POST /a");
  const auto at = [](CallResult c, int64_t ns) {
    c.recorded_ns = ns;
    return c;
  };
  s.calls = {at(call(mock::Verdict::kExact, "SELECT 2", "SELECT ?"), 200),
             call(mock::Verdict::kMiss, "UPDATE t SET a = 1", "UPDATE t SET a = ?"),
             at(call(mock::Verdict::kUnused, "DELETE 1", "DELETE ?"), 100),
             at(call(mock::Verdict::kUnused, "COMMIT", "COMMIT"), 300)};
  s.answer = {{compare::Kind::kStatus, "status", "200", "500"}};
  r.sessions.push_back(s);
  const std::vector<Cause> found = causes(r);
  ASSERT_EQ(found.size(), 2u);
  std::string titles = found[0].title + found[1].title;
  EXPECT_NE(titles.find("new call: UPDATE t SET a = ?"), std::string::npos);
  EXPECT_NE(titles.find("missing call: DELETE ?"), std::string::npos);
}

}  // namespace reprise::run
