// The parts of the comparison one by one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compare/align.h"
#include "compare/decimal.h"
#include "compare/findings.h"
#include "compare/pattern.h"
#include "compare/times.h"

namespace reprise::compare {

using testing::ElementsAre;

TEST(Decimal, EqualNumbersHaveOneForm) {
  EXPECT_EQ(canonical_decimal("1"), canonical_decimal("1.000"));
  EXPECT_EQ(canonical_decimal("10e-1"), canonical_decimal("1"));
  EXPECT_EQ(canonical_decimal("0.00"), canonical_decimal("-0e5"));
  EXPECT_EQ(canonical_decimal("1200"), canonical_decimal("1.2E+3"));
  EXPECT_NE(canonical_decimal("1"), canonical_decimal("-1"));
  EXPECT_NE(canonical_decimal("1"), canonical_decimal("10"));
  EXPECT_NE(canonical_decimal("0.1"), canonical_decimal("0.10000000000000000001"));
  for (const char* other : {"", "-", "NaN", "1x", "1e", "1e999999999999999999999", "."}) {
    EXPECT_EQ(canonical_decimal(other), other);
  }
}

TEST(Pattern, CoversAPathAndWhatIsBelow) {
  EXPECT_TRUE(covers("body.a", "body.a"));
  EXPECT_TRUE(covers("body.a", "body.a.b[0]"));
  EXPECT_TRUE(covers("body", "body:line 3"));
  EXPECT_FALSE(covers("body.a", "body.ab"));
  EXPECT_FALSE(covers("body.a.b", "body.a"));
  EXPECT_TRUE(covers("body.items[*].id", "body.items[sku=a.b].id"));
  EXPECT_FALSE(covers("body.items[*].id", "body.items[0].x[1].id"));
  EXPECT_TRUE(covers("body.*.id", "body.user.id"));
  EXPECT_FALSE(covers("body.*.id", "body.user.x.id"));
  EXPECT_TRUE(covers("header.x-b3-*", "header.X-B3-TraceId"));
  EXPECT_TRUE(covers("body.*_at", "body.at_at_at"));
}

TEST(Pattern, Glob) {
  EXPECT_TRUE(glob("x-*-id", "x-trace-span-id"));
  EXPECT_FALSE(glob("x-*-id", "x-trace-ids"));
  EXPECT_TRUE(glob("*", ""));
  EXPECT_FALSE(glob("", "a"));
}

TEST(Times, AreRead) {
  EXPECT_EQ(parse_time("1970-01-02T00:00:00Z", 0), 86400ll * 1000000000);
  EXPECT_EQ(parse_time("1970-01-01 02:00:00+02:00", 0), 0);
  EXPECT_EQ(parse_time("1970-01-01T00:00:00.25Z", 0), 250000000);
  EXPECT_EQ(parse_time("Sun, 06 Nov 1994 08:49:37 GMT", 0), 784111777ll * 1000000000);
  EXPECT_EQ(parse_time("Sun, 06-Nov-1994 08:49:37 GMT", 0), 784111777ll * 1000000000);
  for (const char* bad :
       {"", "1970-13-01T00:00:00", "9999-99-99T99:99", "1970-01-01Txx:00", "1234567890"}) {
    EXPECT_FALSE(parse_time(bad, 0)) << bad;
  }
}

TEST(Shorten, KeepsUtf8Whole) {
  EXPECT_EQ(shorten("abc", 3), "abc");
  EXPECT_EQ(shorten("abcdefgh", 6), "abc...");
  EXPECT_EQ(shorten("a\xc3\xa4\xc3\xa4\xc3\xa4", 5), "a...");
}

TEST(LongestIncreasing, MarksOne) {
  const std::vector<size_t> v = {3, 0, 1, 5, 2, 4};
  EXPECT_THAT(longest_increasing(v), ElementsAre(false, true, true, false, true, true));
  EXPECT_TRUE(longest_increasing({}).empty());
}

// Whatever the arrays: each index in exactly one place, pairs of equal elements ascend but for
// moves.
TEST(Align, AccountsForEveryElement) {
  uint32_t seed = 1;
  const auto next = [&](uint32_t n) {
    return (seed = seed * 1664525 + 1013904223) % 65536 * n / 65536;
  };
  for (int round = 0; round < 2000; ++round) {
    Json a, b;
    a.type = b.type = Json::Type::kArray;
    const auto fill = [&](Json& array) {
      const uint32_t length = next(9), values = 1 + next(6);
      for (uint32_t i = 0; i < length; ++i) {
        Json n;
        n.type = Json::Type::kNumber;
        n.text = std::to_string(next(values));
        array.items.push_back(n);
      }
    };
    fill(a), fill(b);
    Hasher hasher;
    const Alignment out = align(a, b, hasher);
    std::vector<int> left(a.items.size()), right(b.items.size());
    for (const auto& [i, j] : out.pairs) ++left[i], ++right[j];
    for (const size_t i : out.removed) ++left[i];
    for (const size_t j : out.added) ++right[j];
    EXPECT_THAT(left, testing::Each(1));
    EXPECT_THAT(right, testing::Each(1));
    // No equal element is left unpaired on both sides, and the run kept is a longest common one.
    size_t equal = 0;
    for (const auto& [i, j] : out.pairs) equal += a.items[i].text == b.items[j].text;
    std::vector<std::vector<size_t>> lcs(left.size() + 1, std::vector<size_t>(right.size() + 1));
    for (size_t i = left.size(); i-- > 0;) {
      for (size_t j = right.size(); j-- > 0;) {
        lcs[i][j] = a.items[i].text == b.items[j].text ? lcs[i + 1][j + 1] + 1
                                                       : std::max(lcs[i + 1][j], lcs[i][j + 1]);
      }
    }
    EXPECT_EQ(equal - out.moved.size(), lcs[0][0]);
  }
}

}  // namespace reprise::compare
