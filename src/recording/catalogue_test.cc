#include "recording/catalogue.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "recording/recording.h"

namespace reprise::recording {

namespace {

class CatalogueTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = testing::TempDir() + "catalogue-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path + "/rec";
    auto writer = Writer::create(folder_, Manifest(), false);
    ASSERT_TRUE(writer);
    for (uint64_t id = 1; id <= 3; ++id) {
      session::Session s;
      s.id = id;
      s.inbound.protocol = wire::Protocol::kHttp1;
      s.inbound.operation.label = "GET /order/" + std::to_string(id);
      s.inbound.request = s.inbound.operation.label + " HTTP/1.1\r\nHost: shop\r\n\r\n";
      session::Call c;
      c.protocol = wire::Protocol::kMysql;
      c.operation.label = id == 2 ? "DELETE FROM cart" : "SELECT 1";
      s.calls.push_back(c);
      ASSERT_TRUE(writer->add(s));
    }
    ASSERT_TRUE(writer->finish(Manifest(), Ledger(), false));
  }
  std::vector<uint64_t> find(const std::string& words) {
    auto c = Catalogue::open(folder_);
    EXPECT_TRUE(c);
    auto rows = c->find(words, 100);
    EXPECT_TRUE(rows) << words;
    std::vector<uint64_t> ids;
    for (const CatalogueRow& r : *rows) ids.push_back(r.id);
    return ids;
  }
  std::string folder_;
};

using Ids = std::vector<uint64_t>;

}  // namespace

TEST_F(CatalogueTest, FindsByWordsOfRequestsAndCalls) {
  EXPECT_EQ(find(""), (Ids{1, 2, 3}));
  EXPECT_EQ(find("order"), (Ids{1, 2, 3}));
  EXPECT_EQ(find("delete cart"), (Ids{2}));
  EXPECT_EQ(find("DEL"), (Ids{2}));
  EXPECT_EQ(find("\"order/3\""), (Ids{3}));
  EXPECT_EQ(find("nothing-like-it"), Ids());
}

TEST_F(CatalogueTest, UserTextIsNeverSyntax) {
  for (const char* odd : {"AND", "(", "a OR", "'; DROP", "*", "\"", "NEAR(a"}) (void)find(odd);
}

TEST_F(CatalogueTest, RebuiltWhenMissingDamagedOrOld) {
  EXPECT_EQ(find("delete").size(), 1u);
  ASSERT_TRUE(replace_file(folder_ + "/catalogue.sqlite", "not a database"));
  EXPECT_EQ(find("delete").size(), 1u);
  ASSERT_EQ(unlink((folder_ + "/catalogue.sqlite").c_str()), 0);
  EXPECT_EQ(find("delete").size(), 1u);
  struct stat st;
  ASSERT_EQ(stat((folder_ + "/catalogue.sqlite").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

}  // namespace reprise::recording
