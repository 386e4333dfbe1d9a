#include "wire/sql_words.h"

#include <gtest/gtest.h>

namespace reprise::wire {
namespace {

constexpr auto kMy = SqlDialect::kMysql;
constexpr auto kPg = SqlDialect::kPostgres;

TEST(SqlWords, Effects) {
  EXPECT_EQ(sql_traits("select * from t", kMy).effect, Effect::kRead);
  EXPECT_EQ(sql_traits(" -- hi\n (SELECT a FROM t)", kMy).effect, Effect::kRead);
  EXPECT_EQ(sql_traits("select * from t where n = 'for update'", kMy).effect, Effect::kRead);
  EXPECT_EQ(sql_traits("select * from t where id=1 FOR UPDATE", kMy).effect, Effect::kWrite);
  EXPECT_EQ(sql_traits("insert into t values (1)", kMy).effect, Effect::kWrite);
  EXPECT_EQ(sql_traits("with x as (delete from t returning 1) select * from x", kPg).effect,
            Effect::kWrite);
  EXPECT_EQ(sql_traits("select 1; delete from t", kPg).effect, Effect::kWrite);
  EXPECT_EQ(sql_traits("select nextval('s')", kPg).effect, Effect::kWrite);
  EXPECT_EQ(sql_traits("copy t to stdout", kPg).effect, Effect::kRead);
  EXPECT_EQ(sql_traits("copy t from stdin", kPg).effect, Effect::kWrite);
  EXPECT_EQ(sql_traits("/*!40101 create table x(a int) */", kMy).effect, Effect::kWrite);
}

TEST(SqlWords, Tiers) {
  EXPECT_EQ(sql_traits("SELECT 1", kMy).tier, Tier::kHeartbeat);
  EXPECT_EQ(sql_traits("/* ping */ select 1;", kPg).tier, Tier::kHeartbeat);
  EXPECT_EQ(sql_traits("", kPg).tier, Tier::kHeartbeat);
  EXPECT_EQ(sql_traits("select 12", kMy).tier, Tier::kCall);
  EXPECT_EQ(sql_traits("select 1, 2", kMy).tier, Tier::kCall);
  EXPECT_EQ(sql_traits("select 1 from t", kMy).tier, Tier::kCall);
  EXPECT_EQ(sql_traits("SET NAMES utf8mb4", kMy).tier, Tier::kSetup);
  EXPECT_EQ(sql_traits("SET GLOBAL a=1", kMy).tier, Tier::kCall);
  EXPECT_EQ(sql_traits("begin", kMy).tier, Tier::kCall);
  EXPECT_EQ(sql_traits("set a=1; set b=2", kPg).tier, Tier::kSetup);
  EXPECT_EQ(sql_traits("set a=1; select 2 from t", kPg).tier, Tier::kCall);
  EXPECT_EQ(sql_traits("show tables", kMy).tier, Tier::kCall);
  EXPECT_EQ(sql_traits("show timezone", kPg).tier, Tier::kSetup);
}

TEST(SqlWords, StatementsEndWhereTheDialectSays) {
  EXPECT_EQ(sql_traits(R"(select 'a\'; drop table t; ')", kMy).effect, Effect::kRead);
  EXPECT_EQ(sql_traits(R"(select 'a\'; drop table t; ')", kPg).effect, Effect::kWrite);
  EXPECT_EQ(sql_traits("select $x$ ; delete from t $x$", kPg).effect, Effect::kRead);
  EXPECT_EQ(sql_traits("select $1 ; delete from t where a=$1", kPg).effect, Effect::kWrite);
}

TEST(SqlWords, Placeholders) {
  EXPECT_EQ(sql_placeholders("select ? , '?', `?`, \"?\" -- ?\n, ? /* ? */"), 2u);
}

TEST(SqlWords, OneLine) {
  EXPECT_EQ(sql_one_line("  select\n\t 1 \n"), "select 1");
  EXPECT_EQ(sql_one_line(std::string(500, 'x')).size(), 200u);
}

}  // namespace
}  // namespace reprise::wire
