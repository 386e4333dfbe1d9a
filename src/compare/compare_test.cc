#include "compare/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reprise::compare {

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

wire::Answer http(const std::string& body, const std::string& type = "application/json",
                  Leaves headers = {}) {
  wire::Answer a;
  a.leaves.push_back({"status", "200", LeafForm::kNumber});
  if (!type.empty()) a.leaves.push_back({"header.content-type", type});
  for (Leaf& h : headers) a.leaves.push_back(std::move(h));
  if (!body.empty()) a.leaves.push_back({"body", body, LeafForm::kBody, LeafClass::kPayload});
  return a;
}

wire::Answer header(const std::string& name, const std::string& value) {
  return http("", "", {{"header." + name, value}});
}

// "kind path: recorded -> live", with the rule in brackets if forgiven.
std::vector<std::string> lines(const std::vector<Difference>& list) {
  std::vector<std::string> out;
  out.reserve(list.size());
  for (const Difference& d : list) {
    out.push_back(std::string(name(d.kind)) + ' ' + d.path + ": " + d.recorded + " -> " + d.live +
                  (d.forgiven ? " (" + d.rule + ')' : ""));
  }
  return out;
}

std::vector<std::string> diff(const wire::Answer& a, const wire::Answer& b,
                              const Rules& rules = default_rules()) {
  return lines(compare_answers(a, b, rules));
}

std::vector<std::string> json(const std::string& a, const std::string& b,
                              const Rules& rules = default_rules()) {
  return diff(http(a), http(b), rules);
}

std::vector<std::string> text(const std::string& a, const std::string& b) {
  return diff(http(a, "text/html"), http(b, "text/html"));
}

}  // namespace

TEST(Compare, EqualAnswersHaveNoDifference) {
  EXPECT_THAT(json(R"({"a":1,"b":[1,2]})", R"({ "b" : [1, 2], "a": 1 })"), IsEmpty());
  EXPECT_THAT(text("<p>", "<p>"), IsEmpty());
}

TEST(Compare, StatusContentTypeHeadersThenBody) {
  wire::Answer a = http(R"({"x":1})", "application/json", {{"header.location", "/a"}});
  wire::Answer b = http("oops", "text/html", {{"header.location", "/b"}});
  b.leaves[0].text = "500";
  EXPECT_THAT(diff(a, b),
              ElementsAre("status status: 200 -> 500",
                          "content type header.content-type: application/json -> text/html",
                          "value header.location: /a -> /b", R"(type body: {"x":1} -> oops)"));
}

TEST(CompareJson, KindsOfDifference) {
  EXPECT_THAT(json(R"({"a":1,"b":1,"c":1,"d":null,"e":true})",
                   R"({"a":2,"b":"1","d":0,"e":false,"f":[3]})"),
              ElementsAre("value body.a: 1 -> 2", R"(type body.b: 1 -> "1")",
                          "removed body.c: 1 -> ", "type body.d: null -> 0",
                          "value body.e: true -> false", "added body.f:  -> [3]"));
}

TEST(CompareJson, NumbersAreExactDecimals) {
  EXPECT_THAT(json("[1, 1.50, 100, -0]", "[1.0, 1.5, 1e2, 0]"),
              ElementsAre("value body[0]: 1 -> 1.0 (the same number)",
                          "value body[1]: 1.50 -> 1.5 (the same number)",
                          "value body[2]: 100 -> 1e2 (the same number)",
                          "value body[3]: -0 -> 0 (the same number)"));
  // Equal as doubles.
  EXPECT_THAT(json(R"({"n":9007199254740993})", R"({"n":9007199254740992})"),
              ElementsAre("value body.n: 9007199254740993 -> 9007199254740992"));
  EXPECT_THAT(json(R"({"n":1e999999999999999999999})", R"({"n":1})"), testing::SizeIs(1));
}

TEST(CompareJson, DuplicateNamesAreKept) {
  EXPECT_THAT(json(R"({"a":1,"a":2})", R"({"a":1,"a":3})"), ElementsAre("value body.a#2: 2 -> 3"));
  EXPECT_THAT(json(R"({"a":1,"a":2})", R"({"a":1})"), ElementsAre("removed body.a#2: 2 -> "));
  EXPECT_THAT(json(R"({"a":1,"a":2})", R"({"a":2,"a":1})"), testing::SizeIs(2));
}

TEST(CompareJson, ArraysOfObjectsAreAlignedByKey) {
  EXPECT_THAT(json(R"({"items":[{"id":1,"p":5},{"id":2,"p":6},{"id":3,"p":7}]})",
                   R"({"items":[{"id":9,"p":1},{"id":1,"p":5},{"id":3,"p":8}]})"),
              ElementsAre("value body.items[id=3].p: 7 -> 8",
                          R"(removed body.items[id=2]: {"id":2,"p":6} -> )",
                          R"(added body.items[id=9]:  -> {"id":9,"p":1})"));
}

TEST(CompareJson, OtherUniqueMemberIsAKeyIfAllAreFound) {
  EXPECT_THAT(
      json(R"([{"isbn":"a","n":1},{"isbn":"b","n":1}])",
           R"([{"isbn":"b","n":2},{"isbn":"a","n":1}])"),
      ElementsAre("order body: [isbn=a] at 0 -> [isbn=a] at 1", "value body[isbn=b].n: 1 -> 2"));
}

TEST(CompareJson, KeysMadeAnewIdentifyNothing) {
  EXPECT_THAT(
      json(R"([{"id":"x1","n":1},{"id":"x2","n":1}])", R"([{"id":"y1","n":1},{"id":"y2","n":1}])"),
      ElementsAre("value body[0].id: x1 -> y1", "value body[1].id: x2 -> y2"));
}

TEST(CompareJson, MoveIsReportedOnce) {
  EXPECT_THAT(
      json(R"([{"id":1},{"id":2},{"id":3},{"id":4}])", R"([{"id":2},{"id":3},{"id":4},{"id":1}])"),
      ElementsAre("order body: [id=1] at 0 -> [id=1] at 3"));
  EXPECT_THAT(json(R"(["a","b","c"])", R"(["b","c","a"])"),
              ElementsAre(R"(order body: "a" at 0 -> "a" at 2)"));
}

TEST(CompareJson, SequencesByLongestCommonSubsequence) {
  EXPECT_THAT(json("[1,2,3,4,5]", "[9,1,2,4,5]"),
              ElementsAre("removed body[2]: 3 -> ", "added body[0]:  -> 9"));
  EXPECT_THAT(json("[1,2,3]", "[1,7,3]"), ElementsAre("value body[1]: 2 -> 7"));
  EXPECT_THAT(json("[1]", R"(["1"])"), ElementsAre(R"(type body[0]: 1 -> "1")"));
  EXPECT_THAT(json("[1,2]", "[]"), ElementsAre("removed body[0]: 1 -> ", "removed body[1]: 2 -> "));
}

TEST(CompareJson, ChangedElementIsPairedWithTheOneMostLikeIt) {
  EXPECT_THAT(json("[[1,1,1],[2,2,2]]", "[[2,2,3]]"),
              ElementsAre("value body[1][2]: 2 -> 3", "removed body[0]: [1,1,1] -> "));
}

TEST(CompareJson, ManyChangesStayCheapAndBounded) {
  std::string a = "[", b = "[";
  for (int i = 0; i < 200000; ++i) {
    a += std::to_string(i) + ',';
    b += std::to_string(i * 7 % 200000 + (i % 3 == 0 ? 1000000 : 0)) + ',';
  }
  a += "0]", b += "0]";
  const auto list = compare_answers(http(a), http(b), default_rules());
  ASSERT_EQ(list.size(), kMaxDifferences + 1);
  EXPECT_EQ(list.back().path, "...");
  EXPECT_THAT(list.back().live, testing::EndsWith(" more differences"));
}

TEST(CompareJson, ForgivenDifferencesDoNotCrowdOutThoseThatCount) {
  std::string a = "{", b = "{";
  for (int i = 0; i < 300; ++i) {
    const std::string name = "\"k" + std::to_string(i) + "\":";
    a += name + "1,", b += name + "1.0,";
  }
  const auto list = compare_answers(http(a + "\"z\":1}"), http(b + "\"z\":2}"), default_rules());
  EXPECT_EQ(list.size(), kMaxDifferences + 2);
  EXPECT_THAT(lines(list), testing::Contains("value body.z: 1 -> 2"));
  EXPECT_TRUE(list.back().forgiven);
  EXPECT_EQ(list.back().live, "200 more forgiven differences");
}

TEST(CompareJson, IgnoredPathsAreListedAsForgiven) {
  Rules rules = default_rules();
  rules.ignore = {"body.meta", "body.items[*].at", "header.etag"};
  EXPECT_THAT(
      json(R"({"meta":{"a":1,"b":2},"items":[{"id":1,"at":3},{"id":2,"at":4}],"metal":1})",
           R"({"meta":{"a":2,"b":3},"items":[{"id":1,"at":5},{"id":2,"at":4}],"metal":2})", rules),
      ElementsAre(R"(value body.meta: {"a":1,"b":2} -> {"a":2,"b":3} (--ignore body.meta))",
                  "value body.items[id=1].at: 3 -> 5 (--ignore body.items[*].at)",
                  "value body.metal: 1 -> 2"));
  EXPECT_FALSE(differs(compare_answers(header("etag", "1"), header("etag", "2"), rules)));
  EXPECT_TRUE(differs(compare_answers(header("etag", "1"), header("etag", "2"), default_rules())));
}

TEST(CompareJson, ShiftedTimesAreForgivenOnlyIfAsked) {
  constexpr int64_t kRecorded = 1767225600ll * 1000000000;  // 2026-01-01
  Rules rules = default_rules();
  rules.recorded_ns = kRecorded;
  rules.live_ns = kRecorded + 40ll * 86400 * 1000000000;
  const std::string a =
      R"({"at":1767225601,"until":"2026-01-01T01:00:00Z","born":"1990-05-05T00:00:00Z"})";
  const std::string b =
      R"({"at":1770681602,"until":"2026-02-10T01:00:01Z","born":"1990-05-06T00:00:00Z"})";
  EXPECT_THAT(json(a, b, rules),
              ElementsAre("value body.at: 1767225601 -> 1770681602",
                          "value body.until: 2026-01-01T01:00:00Z -> 2026-02-10T01:00:01Z",
                          testing::StartsWith("value body.born")));
  rules.shift_times = true;
  const auto list = compare_answers(http(a), http(b), rules);
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].rule, "shifted time");
  EXPECT_EQ(list[1].rule, "shifted time");
  EXPECT_FALSE(list[2].forgiven);
  // An hour more of validity is a difference.
  EXPECT_TRUE(differs(compare_answers(http(R"({"until":"2026-01-01T01:00:00Z"})"),
                                      http(R"({"until":"2026-02-10T02:00:00Z"})"), rules)));
}

TEST(CompareText, FirstDifferingLine) {
  EXPECT_THAT(text("a\nb\nc\n", "a\nB\nc\n"), ElementsAre("value body:line 2: b -> B"));
  EXPECT_THAT(text("a\nb\nc\nd\n", "a\nB\nC\nd\n"),
              ElementsAre("value body:line 2: b (and 1 line more) -> B (and 1 line more)"));
  EXPECT_THAT(text("a\n", "a\nb\n"), ElementsAre("value body:line 2:  -> b (and 1 line more)"));
  EXPECT_THAT(text("short", "Short"), ElementsAre("value body: short -> Short"));
}

TEST(CompareText, LongLineShowsThePlace) {
  const std::string long_line(5000, 'x');
  const auto list = text(long_line + "1" + long_line, long_line + "2" + long_line);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_THAT(list[0], testing::HasSubstr("x1x"));
  EXPECT_THAT(list[0], testing::HasSubstr("x2x"));
  EXPECT_LT(list[0].size(), 500u);
}

TEST(CompareText, BinaryByOffsetAndLengths) {
  EXPECT_THAT(diff(http(std::string("\x00\x01\x02", 3), "image/png"),
                   http(std::string("\x00\x01\x03\x04", 4), "image/png")),
              ElementsAre("value body:byte 2: 3 bytes, here 02 -> 4 bytes, here 03 04"));
}

TEST(CompareText, BodyThatIsMissing) {
  EXPECT_THAT(diff(http("x", "text/plain"), http("", "text/plain")),
              ElementsAre("removed body: x -> "));
  EXPECT_THAT(diff(http("", "text/plain"), http("x", "text/plain")),
              ElementsAre("added body:  -> x"));
}

TEST(CompareForm, FieldByField) {
  const std::string type = "application/x-www-form-urlencoded";
  EXPECT_THAT(diff(http("a=1+2&b=%41&c=3", type), http("b=B&a=1%202", type)),
              ElementsAre("value body.b: A -> B", "removed body.c: \"3\" -> "));
}

TEST(CompareHeaders, NamesFoldCaseAndVolatileOnesMustBeThere) {
  EXPECT_THAT(diff(header("X-Powered-By", "a"), header("x-powered-by", "a")), IsEmpty());
  EXPECT_THAT(diff(header("date", "a"), header("Date", "b")),
              ElementsAre("value header.date: a -> b (volatile header)"));
  EXPECT_THAT(diff(header("x-b3-traceid", "a"), header("x-b3-traceid", "b")),
              ElementsAre("value header.x-b3-traceid: a -> b (volatile header)"));
  EXPECT_THAT(diff(header("x-request-id", "a"), http("", "")),
              ElementsAre("removed header.x-request-id: a -> "));
  EXPECT_THAT(diff(http("", ""), header("x-new", "a")), ElementsAre("added header.x-new:  -> a"));
}

TEST(CompareHeaders, ContentTypeByMediaType) {
  EXPECT_THAT(
      diff(http("", "text/html; charset=utf-8"), http("", "text/HTML;charset=UTF-8")),
      ElementsAre("value header.content-type: text/html; charset=utf-8 -> text/HTML;charset=UTF-8 "
                  "(the same media type)"));
  EXPECT_TRUE(differs(compare_answers(http("", "text/html; charset=utf-8"),
                                      http("", "text/html; charset=latin1"), default_rules())));
}

TEST(CompareHeaders, ContentLengthOnlyIfTheBodyDoesNotExplainIt) {
  const auto with = [](const std::string& body, const std::string& length) {
    return http(body, "text/plain", {{"header.content-length", length}});
  };
  EXPECT_THAT(diff(with("ab", "2"), with("abc", "3")),
              ElementsAre("value header.content-length: 2 -> 3 (follows from the body)",
                          "value body: ab -> abc"));
  // Answers to HEAD.
  EXPECT_THAT(diff(with("", "20"), with("", "30")),
              ElementsAre("value header.content-length: 20 -> 30"));
}

TEST(CompareHeaders, FramingIsNormalised) {
  const auto a =
      http("ab", "text/plain", {{"header.content-length", "2"}, {"header.connection", "close"}});
  const auto b = http("ab", "text/plain", {{"header.transfer-encoding", "chunked"}});
  EXPECT_THAT(diff(a, b), ElementsAre("removed header.content-length: 2 ->  (framing)",
                                      "removed header.connection: close ->  (hop-by-hop header)",
                                      "added header.transfer-encoding:  -> chunked (framing)"));
}

TEST(CompareHeaders, CookiesByNameAndAttributes) {
  const auto cookies = [](const std::string& first, const std::string& second) {
    return http("", "", {{"header.set-cookie", first}, {"header.set-cookie[1]", second}});
  };
  EXPECT_THAT(
      diff(cookies("sid=0123456789abcdef0123; Path=/; HttpOnly",
                   "lang=en; Expires=Wed, 01 Jan 2031 00:00:00 GMT"),
           cookies("lang=de; expires=Thu, 02 Jan 2031 00:00:00 GMT",
                   "sid=fedcba98765432100123; path=/")),
      ElementsAre(
          "value header.set-cookie.sid: 0123456789abcdef0123 -> fedcba98765432100123 "
          "(volatile cookie value)",
          "removed header.set-cookie.sid.httponly:  -> ", "value header.set-cookie.lang: en -> de",
          "value header.set-cookie.lang.expires: Wed, 01 Jan 2031 00:00:00 GMT -> Thu, 02 Jan "
          "2031 00:00:00 GMT (volatile time)"));
  EXPECT_THAT(diff(cookies("a=1", "b=2"), header("set-cookie", "b=2")),
              ElementsAre("removed header.set-cookie.a: a=1 -> "));
  // Deleting a cookie is not a matter of the clock.
  EXPECT_TRUE(differs(compare_answers(
      header("set-cookie", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
      header("set-cookie", "a=; Expires=Thu, 02 Jan 2031 00:00:00 GMT"), default_rules())));
}

TEST(CompareRows, AreAlignedLikeElements) {
  const auto rows = [](const std::vector<std::pair<std::string, std::string>>& list) {
    wire::Answer a;
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string row = "row[" + std::to_string(i) + "].";
      a.leaves.push_back({row + "id", list[i].first, LeafForm::kNumber});
      a.leaves.push_back({row + "v", list[i].second, LeafForm::kText});
    }
    return a;
  };
  EXPECT_THAT(diff(rows({{"1", "a"}, {"2", "b"}}), rows({{"3", "x"}, {"1", "a"}, {"2", "B"}})),
              ElementsAre("value row[id=2].v: b -> B", R"(added row[id=3]:  -> {"id":3,"v":"x"})"));
}

TEST(CompareRows, RepliesOfOtherProtocols) {
  wire::Answer a, b;
  a.leaves = {{"value[0]", "x"}, {"value[1]", R"({"n":1})", LeafForm::kBody}};
  b.leaves = {{"value[0]", "x"}, {"value[1]", R"({"n":2})", LeafForm::kBody}};
  EXPECT_THAT(diff(a, b), ElementsAre("value value[1].n: 1 -> 2"));
  b.leaves = {{"value", "ERR no"}};
  b.error = true;
  b.label = "-ERR no";
  a.label = "2 elements";
  EXPECT_THAT(diff(a, b), ElementsAre("status error: 2 elements -> -ERR no",
                                      R"(type value: ["x",{"n":1}] -> "ERR no")"));
}

TEST(CompareRows, SecondResult) {
  wire::Answer a, b;
  a.leaves = {{"result[1].row[0].id", "1", LeafForm::kNumber},
              {"result[1].rows", "1", LeafForm::kNumber}};
  b.leaves = {{"result[1].row[0].id", "", LeafForm::kNull},
              {"result[1].rows", "1", LeafForm::kNumber}};
  EXPECT_THAT(diff(a, b), ElementsAre("type result[1].row[0].id: 1 -> null"));
}

TEST(GeneralPath, HoldsNoValues) {
  EXPECT_EQ(general_path("body.items[id=7].price"), "body.items[].price");
  EXPECT_EQ(general_path("body[0][1]"), "body[][]");
  EXPECT_EQ(general_path("body:line 12"), "body:line");
  EXPECT_EQ(general_path("header.etag"), "header.etag");
}

}  // namespace reprise::compare
