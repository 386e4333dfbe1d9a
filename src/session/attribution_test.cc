#include "session/attribution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reprise::session {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr int64_t kMs = 1'000'000;

TEST(Attribution, TheThreadCountsOnlyWithOneOpenRequest) {
  Attributor a;
  EXPECT_EQ(a.of_write(1, 10, 0).confidence, Confidence::kNone);
  a.open(1, 1, 10, 0);
  EXPECT_EQ(a.of_write(1, 10, 0).evidence, Evidence::kThread);
  EXPECT_TRUE(a.of_write(1, 10, 0).certain());
  a.open(2, 1, 10, 0);
  EXPECT_EQ(a.of_write(1, 10, 0).confidence, Confidence::kAmbiguous);
  EXPECT_THAT(a.of_write(1, 10, 0).sessions, UnorderedElementsAre(1, 2));
  a.answered(1, kMs);
  EXPECT_THAT(a.of_write(1, 10, kMs).sessions, ElementsAre(2));
}

TEST(Attribution, OtherProcessesAreNoCandidates) {
  Attributor a;
  a.open(1, 1, 10, 0);
  EXPECT_EQ(a.of_write(2, 20, 0).confidence, Confidence::kNone);
  EXPECT_EQ(a.of_write(1, 11, 0).confidence, Confidence::kLikely);
}

TEST(Attribution, WorkAfterTheAnswerIsLikelyForASecond) {
  Attributor a;
  a.open(1, 1, 10, 0);
  a.answered(1, 5 * kMs);
  EXPECT_EQ(a.of_write(1, 10, 500 * kMs).evidence, Evidence::kAfterAnswer);
  EXPECT_EQ(a.of_write(1, 10, 500 * kMs).confidence, Confidence::kLikely);
  EXPECT_EQ(a.of_write(1, 10, 2000 * kMs).confidence, Confidence::kNone);
  EXPECT_EQ(a.of_write(1, 11, 500 * kMs).confidence, Confidence::kNone);
}

TEST(Attribution, ATraceOfTwoOpenRequestsDecidesNothing) {
  Attributor a;
  const Leaves trace = {{"header.X-Request-Id", "request-one"}};
  a.open(1, 1, 10, 0), a.trace(1, trace);
  EXPECT_EQ(a.refine({}, trace).evidence, Evidence::kTraceHeader);
  a.open(2, 1, 11, 0), a.trace(2, trace);
  EXPECT_EQ(a.refine({}, trace).evidence, Evidence::kNothing);
  a.forget(1);
  EXPECT_THAT(a.refine({}, trace).sessions, ElementsAre(2));
}

TEST(Attribution, TraceIdsOfTheUsualHeaders) {
  const Bytes w3c = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  EXPECT_THAT(trace_ids({{"header.traceparent", w3c}}),
              ElementsAre("0af7651916cd43dd8448eb211c80319c"));
  EXPECT_THAT(trace_ids({{"header.b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"}}),
              ElementsAre("80f198ee56343ba864fe8b2a57d3eff7"));
  EXPECT_THAT(trace_ids({{"param.HTTP_X_REQUEST_ID", "request-one"}}), ElementsAre("request-one"));
  EXPECT_THAT(
      trace_ids({{"header.traceparent", "short"}, {"header.x-request-id", "1"}, {"body", w3c}}),
      IsEmpty());
}

TEST(Attribution, ThreadsThatEndedAreForgotten) {
  Attributor
      a;  // 200,000 threads, one a millisecond: memory must not keep them all, nor lose the last
  for (uint64_t i = 1; i <= 200000; ++i) {
    a.open(i, 1, i, 0);
    a.answered(i, static_cast<int64_t>(i) * kMs);
  }
  EXPECT_EQ(a.of_write(1, 200000, 200000 * kMs).evidence, Evidence::kAfterAnswer);
  EXPECT_LT(a.threads_remembered(), 40000u);
}

}  // namespace
}  // namespace reprise::session
