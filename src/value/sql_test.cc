#include "value/sql.h"

#include <gmock/gmock.h>

namespace reprise::value {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SqlFingerprint, ValuesAndSpacingDoNotMatter) {
  const std::string want = "SELECT a, count(*) FROM t WHERE id = ? AND name = ?";
  EXPECT_EQ(sql_fingerprint("SELECT a, count(*) FROM t WHERE id = 1 AND name = 'x'"), want);
  EXPECT_EQ(
      sql_fingerprint("SELECT  a ,count( * )\nFROM t /* c */ WHERE id=-22 AND name='it''s' ; "),
      want);
  EXPECT_EQ(
      sql_fingerprint("SELECT/*+ INDEX(t) */ a, count(*) FROM t -- x\n WHERE id = ? AND name = $2"),
      want);
}

TEST(SqlFingerprint, NamesMatter) {
  EXPECT_NE(sql_fingerprint("select a from t"), sql_fingerprint("select b from t"));
  EXPECT_NE(sql_fingerprint("select a from t"), sql_fingerprint("select A from t"));
  EXPECT_EQ(sql_fingerprint("select `a b`.c1 from t2"), "select `a b`.c1 from t2");
  EXPECT_EQ(sql_fingerprint(R"(select "a" from "t" where "n"='v')"),
            R"(select "a" from "t" where "n" = ?)");
  EXPECT_EQ(sql_fingerprint(R"(select a from t where n="v")"), "select a from t where n = ?");
}

TEST(SqlFingerprint, ListsAndRows) {
  EXPECT_EQ(sql_fingerprint("select 1 from t where a in (1,2,3)"),
            "select ? from t where a in (?+)");
  EXPECT_EQ(sql_fingerprint("select 1 from t where a IN (7)"), "select ? from t where a IN (?+)");
  EXPECT_EQ(sql_fingerprint("select * from t where a in (select b from c)"),
            "select * from t where a in (select b from c)");
  EXPECT_EQ(sql_fingerprint(
                "insert into t (a,b) values (1,'x'),(2,NULL), (3,'z') on conflict do nothing"),
            "insert into t(a, b) values (?, ?) on conflict do nothing");
  EXPECT_EQ(sql_fingerprint("insert into t values (now(), 1), (now(), 2)"),
            "insert into t values (now(), ?)");
  EXPECT_EQ(sql_fingerprint("select * from t where a = any(array[1,2])"),
            "select * from t where a = any(array[?+])");
}

TEST(SqlFingerprint, NullIsAValueOnlyInItsPlace) {
  EXPECT_EQ(sql_fingerprint("update t set a = NULL where b is NULL"),
            "update t set a = ? where b is NULL");
}

TEST(SqlFingerprint, ExecutableCommentsCount) {
  EXPECT_EQ(sql_fingerprint("/*!40101 SET NAMES utf8 */"), "SET NAMES utf8");
}

TEST(SqlLiterals, InOrderAndUnquoted) {
  EXPECT_THAT(sql_literals("select 'it''s', -1.5e-3, x'00ff', 0x1F, \"q\", 'a\\'b' , ?"),
              ElementsAre("it's", "-1.5e-3", "x'00ff'", "0x1F", "q", "a'b"));
  EXPECT_THAT(sql_literals("select a1, t2.c3 from t4 where a-1 = $1"), ElementsAre("1"));
  EXPECT_THAT(sql_literals("select $tag$ it's $$ $tag$, E'a\\nb'"),
              ElementsAre(" it's $$ ", "a\nb"));
  EXPECT_THAT(sql_literals("insert into t values (1,2),(3,null)"),
              ElementsAre("1", "2", "3", "null"));
  EXPECT_THAT(sql_literals("select :name, a::text"), IsEmpty());
}

TEST(SqlLiterals, ABackslashEscapesOnlyIfThatParses) {
  EXPECT_THAT(sql_literals(R"(select 'C:\', 'x')"), ElementsAre("C:\\", "x"));
  EXPECT_THAT(sql_literals(R"(select 'it\'s', 'x')"), ElementsAre("it's", "x"));
}

TEST(SqlReads, Statements) {
  EXPECT_TRUE(sql_reads("select * from t"));
  EXPECT_TRUE(sql_reads("(select 1) union (select 2)"));
  EXPECT_TRUE(sql_reads("select replace(a,'for update','') from t"));
  EXPECT_TRUE(sql_reads("with x as (select 1) select * from x"));
  EXPECT_TRUE(sql_reads("set names utf8; show tables"));
  EXPECT_TRUE(sql_reads("copy (select 1) to stdout"));
  EXPECT_FALSE(sql_reads("select * from t for update"));
  EXPECT_FALSE(sql_reads("with x as (delete from t returning 1) select * from x"));
  EXPECT_FALSE(sql_reads("insert into t values (1)"));
  EXPECT_FALSE(sql_reads("select 1; delete from t"));
  EXPECT_FALSE(sql_reads("copy t (a) from stdin"));
  EXPECT_FALSE(sql_reads("call p()"));
}

TEST(Sql, HugeAndBrokenTextsAreLinear) {
  const std::string dollars(200000, '$');
  std::string tags;
  for (int i = 0; i < 50000; ++i) tags += "$a$";
  const std::string opens(200000, '(');
  std::string values = "insert into t values ";
  for (int i = 0; i < 50000; ++i) values += "values (";
  for (const std::string& s : {dollars, tags, opens, values, std::string(200000, '\''),
                               std::string("'") + std::string(200000, '\\')}) {
    sql_fingerprint(s);
    sql_literals(s);
  }
  EXPECT_EQ(sql_fingerprint("'open"), "?");
}

}  // namespace
}  // namespace reprise::value
