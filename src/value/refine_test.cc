#include "value/refine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reprise::value {

namespace {
std::string text(const Leaves& leaves) {
  std::string out;
  for (const Leaf& l : leaves) out += l.path + "=" + l.text + ";";
  return out;
}
}  // namespace

TEST(Refine, PathBecomesTemplateAndSegments) {
  const Refined r = refine({{"path", "/user/17/orders", LeafForm::kUrlPath, LeafClass::kIdentity}});
  EXPECT_EQ(r.shape, "/user/{}/orders");
  EXPECT_EQ(text(r.leaves), "path[2]=17;");
}

TEST(Refine, StatementBecomesFingerprintAndLiterals) {
  const Refined r = refine({{"sql", "SELECT a FROM t WHERE id = 5 AND n='x'", LeafForm::kSql, LeafClass::kIdentity}});
  EXPECT_EQ(r.shape, "SELECT a FROM t WHERE id = ? AND n = ?");
  EXPECT_EQ(text(r.leaves), "sql.literal[0]=5;sql.literal[1]=x;");
}

TEST(Refine, JsonAndFormBodiesOpen) {
  const Refined json = refine({{"header.content-type", "application/json; charset=utf-8"},
                               {"body", R"({"a":[1,{"b":null}],"c":[]})", LeafForm::kBody, LeafClass::kPayload}});
  EXPECT_EQ(text(json.leaves), "header.content-type=application/json; charset=utf-8;body.a[0]=1;body.a[1].b=;body.c=[];");
  const Refined form = refine({{"header.content-type", "application/x-www-form-urlencoded"},
                               {"body", "a=1+2&b=%41", LeafForm::kBody, LeafClass::kPayload}});
  EXPECT_EQ(text(form.leaves), "header.content-type=application/x-www-form-urlencoded;body.a=1 2;body.b=A;");
}

TEST(Refine, BodyThatLiesAboutItselfStaysText) {
  const Refined r = refine({{"header.content-type", "application/json"}, {"body", "{oops", LeafForm::kBody, LeafClass::kPayload}});
  EXPECT_EQ(text(r.leaves), "header.content-type=application/json;body={oops;");
}

}  // namespace reprise::value
