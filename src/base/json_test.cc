#include "base/json.h"

#include <gtest/gtest.h>

namespace reprise {

TEST(Json, WritesAndReadsBack) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().field("a", 1).field("b", "x\"\n\x01").key("c").begin_array().boolean(true).null();
  w.end_array().end_object();
  EXPECT_EQ(out, "{\"a\":1,\"b\":\"x\\\"\\n\\u0001\",\"c\":[true,null]}");
  auto back = parse_json(out);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->integer_or("a"), 1);
  EXPECT_EQ(back->string_or("b"), "x\"\n\x01");
}

TEST(Json, KeepsNumbersOrderAndDuplicates) {
  auto v = parse_json(R"({"z":1.10,"a":123456789012345678901234567890,"z":2})");
  ASSERT_TRUE(v);
  ASSERT_EQ(v->members.size(), 3u);
  EXPECT_EQ(v->members[0].second.text, "1.10");
  EXPECT_EQ(v->members[1].second.text, "123456789012345678901234567890");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* bad : {"", "{", "[1,]", "{\"a\":}", "01", "1.", "\"\x01\"", "tru", "[1] x", "{a:1}", "\"\\q\""}) {
    EXPECT_FALSE(parse_json(bad)) << bad;
  }
  EXPECT_FALSE(parse_json(std::string(100000, '[')));
}

TEST(Json, SurrogatesAndBadUtf8) {
  auto v = parse_json(R"("\ud83d\ude00\ud800")");
  ASSERT_TRUE(v);
  EXPECT_EQ(v->text, "\xf0\x9f\x98\x80\xef\xbf\xbd");
  std::string out;
  JsonWriter(out).string("a\xff");
  EXPECT_EQ(out, "\"a\xef\xbf\xbd\"");
}

}  // namespace reprise
