#include "mock/matcher.h"

#include <gtest/gtest.h>

#include <deque>

namespace reprise::mock {

namespace {

using session::Call;
using wire::Effect;

constexpr int64_t kNow = int64_t{1700000000} * 1000000000;

Call call(const std::string& verb, Leaves leaves, Effect effect = Effect::kRead) {
  Call c;
  c.protocol = wire::Protocol::kHttp1;
  c.peer = *parse_address("10.0.0.5:80");
  c.answered = true;
  c.request_ns = kNow;
  c.operation.verb = verb;
  c.operation.effect = effect;
  c.operation.leaves = std::move(leaves);
  return c;
}

Call get(const std::string& path, Leaves more = {}) {
  Leaves leaves = {{"path", path, LeafForm::kUrlPath}};
  leaves.insert(leaves.end(), more.begin(), more.end());
  return call("GET", std::move(leaves));
}

// A session with its pool, and the shared ones.
class MatcherTest : public testing::Test {
 protected:
  const Call* record(Call c) { return add(session_, std::move(c)); }
  const Call* add(Pool& pool, Call c) {
    calls_.push_back(std::move(c));
    calls_.back().request_ns += static_cast<int64_t>(calls_.size());
    pool.add(calls_.back(), options_);
    return &calls_.back();
  }
  Decision ask(const Call& live) {
    if (!matcher_) {
      matcher_ = std::make_unique<Matcher>(options_, shared_);
      matcher_->begin(&session_);
    }
    return matcher_->match({live.protocol, live.peer, &live.operation, kNow});
  }
  MatcherOptions options_;
  SharedPools shared_;
  Pool session_;
  std::deque<Call> calls_;
  std::unique_ptr<Matcher> matcher_;
};

}  // namespace

TEST_F(MatcherTest, PlainValuesAreNeverStoodInFor) {
  const Call* one = record(get("/user/1001"));
  record(get("/user/1002"));
  const Decision miss = ask(get("/user/9999"));
  EXPECT_EQ(miss.verdict, Verdict::kMiss);
  EXPECT_EQ(miss.answer, nullptr);
  ASSERT_NE(miss.nearest, nullptr);
  ASSERT_EQ(miss.differences.size(), 1u);
  EXPECT_EQ(miss.differences[0].path, "path[2]");
  EXPECT_EQ(miss.differences[0].live, "9999");
  EXPECT_EQ(ask(get("/admin/0000")).verdict, Verdict::kMiss);
  EXPECT_EQ(ask(get("/user/1001")).answer, one);
}

TEST_F(MatcherTest, AnyOrderEachOnceThenReadsAgain) {
  const Call* a = record(get("/user/1"));
  const Call* b = record(get("/user/2"));
  EXPECT_EQ(ask(get("/user/2")).answer, b);
  EXPECT_EQ(ask(get("/user/1")).answer, a);
  const Decision again = ask(get("/user/1"));
  EXPECT_EQ(again.verdict, Verdict::kRetry);
  EXPECT_EQ(again.answer, a);
}

TEST_F(MatcherTest, EqualCallsAnswerInRecordedOrder) {
  std::vector<const Call*> recorded;
  for (int i = 0; i < 3; ++i) recorded.push_back(record(call("INCR", {{"arg.0", "hits"}}, Effect::kWrite)));
  for (const Call* c : recorded) EXPECT_EQ(ask(call("INCR", {{"arg.0", "hits"}}, Effect::kWrite)).answer, c);
  const Decision fourth = ask(call("INCR", {{"arg.0", "hits"}}, Effect::kWrite));
  EXPECT_EQ(fourth.verdict, Verdict::kMiss);
  EXPECT_EQ(fourth.reason, "recorded, but every recording of it has been used");
}

TEST_F(MatcherTest, VolatileValuesBindAndStayBound) {
  const std::string was = "123e4567-e89b-12d3-a456-426614174000", is = "00000000-e89b-12d3-a456-426614174fff";
  record(get("/start", {{"query.id", was}}));
  record(get("/next", {{"query.id", was}}));
  EXPECT_EQ(ask(get("/start", {{"query.id", is}})).verdict, Verdict::kBound);
  ASSERT_EQ(matcher_->bindings().size(), 1u);
  EXPECT_EQ(matcher_->bindings()[0].second, is);
  // Another value for the same recorded one contradicts what is bound.
  EXPECT_EQ(ask(get("/next", {{"query.id", "11111111-e89b-12d3-a456-426614174fff"}})).verdict, Verdict::kMiss);
  EXPECT_EQ(ask(get("/next", {{"query.id", is}})).verdict, Verdict::kBound);
}

TEST_F(MatcherTest, PayloadMayDriftOnReadsOnly) {
  const Leaf was{"body.page", "1", LeafForm::kNumber, LeafClass::kPayload};
  const Leaf is{"body.page", "2", LeafForm::kNumber, LeafClass::kPayload};
  record(call("QUERY", {was}, Effect::kRead));
  record(call("UPDATE", {was}, Effect::kWrite));
  const Decision drift = ask(call("QUERY", {is}, Effect::kRead));
  EXPECT_EQ(drift.verdict, Verdict::kDrift);
  ASSERT_EQ(drift.differences.size(), 1u);
  EXPECT_EQ(ask(call("UPDATE", {is}, Effect::kWrite)).verdict, Verdict::kMiss);
}

TEST_F(MatcherTest, DependencyIsPartOfTheKey) {
  record(get("/a"));
  Call elsewhere = get("/a");
  elsewhere.peer = *parse_address("10.0.0.6:80");
  EXPECT_EQ(ask(elsewhere).verdict, Verdict::kMiss);
}

TEST_F(MatcherTest, AnAliasFollowsAMovedDependency) {
  options_.aliases = {{"10.0.0.5:80", "users"}, {"10.0.0.6:80", "users"}};
  const Call* recorded = record(get("/a"));
  Call elsewhere = get("/a");
  elsewhere.peer = *parse_address("10.0.0.6:80");
  EXPECT_EQ(ask(elsewhere).answer, recorded);
}

TEST_F(MatcherTest, AmbiguousCallsAreSharedOnceAsNearest) {
  add(shared_.ambiguous, call("SET", {{"arg.0", "k"}}, Effect::kWrite));
  EXPECT_EQ(ask(call("SET", {{"arg.0", "k"}}, Effect::kWrite)).verdict, Verdict::kNearest);
  EXPECT_EQ(ask(call("SET", {{"arg.0", "k"}}, Effect::kWrite)).verdict, Verdict::kMiss);
}

TEST_F(MatcherTest, TemplatesAreNeverUsedUp) {
  Call ping = call("PING", {});
  ping.operation.tier = wire::Tier::kHeartbeat;
  add(shared_.templates, ping);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(ping).verdict, Verdict::kTemplate);
}

TEST_F(MatcherTest, BorrowingIsAskedForExactAndNamed) {
  const Call* lent = add(shared_.lent, get("/config"));
  EXPECT_EQ(ask(get("/config")).verdict, Verdict::kMiss);
  matcher_.reset();
  options_.borrow = true;
  const Decision d = ask(get("/config"));
  EXPECT_EQ(d.verdict, Verdict::kBorrowed);
  EXPECT_EQ(d.answer, lent);
  EXPECT_EQ(ask(get("/config/2")).verdict, Verdict::kMiss);
}

TEST_F(MatcherTest, GuessingIsAskedForAndNamed) {
  options_.nearest = true;
  record(get("/user/1001"));
  const Decision d = ask(get("/user/9999"));
  EXPECT_EQ(d.verdict, Verdict::kNearest);
  EXPECT_EQ(d.differences.size(), 1u);
  EXPECT_EQ(ask(get("/other")).verdict, Verdict::kMiss);
}

TEST_F(MatcherTest, QueryAndPreparedStatementAreOneOperation) {
  Call plain = call("QUERY", {{"sql", "SELECT count(*) FROM item", LeafForm::kSql}});
  plain.protocol = wire::Protocol::kPostgres;
  const Call* recorded = record(plain);
  plain.operation.verb = "EXECUTE";
  EXPECT_EQ(ask(plain).answer, recorded);
}

TEST_F(MatcherTest, RawBytesWaitWhileARecordedRequestGoesOn) {
  Call raw = call("RAW", {{"bytes", "hello world", LeafForm::kBinary}});
  raw.request = "hello world";
  record(raw);
  (void)ask(get("/x"));
  EXPECT_TRUE(matcher_->may_continue(raw.peer, "hello"));
  EXPECT_FALSE(matcher_->may_continue(raw.peer, "hello world"));
  EXPECT_FALSE(matcher_->may_continue(raw.peer, "help"));
}

}  // namespace reprise::mock
