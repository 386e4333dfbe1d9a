#include "recording/recording.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

namespace reprise::recording {
namespace {

class Recording : public ::testing::Test {
 protected:
  Recording() {
    char name[] = "/tmp/reprise-recording-XXXXXX";
    base_ = mkdtemp(name);
    rec_ = base_ + "/rec";
  }
  ~Recording() override {
    for (const char* f : {"/manifest.json", "/ledger.json", "/sessions.rps", "/journal.rpj"}) {
      ::unlink((rec_ + f).c_str());
    }
    ::rmdir(rec_.c_str());
    ::rmdir(base_.c_str());
  }
  static session::Session session(uint64_t id) {
    session::Session s;
    s.id = id;
    s.inbound.request = "GET /" + std::to_string(id);
    return s;
  }
  std::string base_, rec_;
};

Manifest sample() {
  Manifest m;
  m.program_version = "1", m.hook_abi = 1, m.started_ns = 1'700'000'000'123'456'789, m.ended_ns = 5;
  m.host = "h\"\\\n", m.kernel = "k", m.command = {"a", "b c", "\xff\x01"}, m.directory = "/d";
  m.environment = {"PATH"}, m.source = "hook", m.redacted = true, m.notes = {"n"};
  m.listeners = {{*parse_address("[::1]:80"), session::Transport::kTcp},
                 {*parse_address("unix:/s"), session::Transport::kUnix}};
  m.names = {{"db", 0, {*parse_address("10.0.0.1:0")}}, {"no", -2, {}}};
  return m;
}

TEST_F(Recording, TheManifestComesBack) {
  const auto back = Manifest::from_json(sample().to_json());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->to_json(), sample().to_json());
  EXPECT_EQ(back->listeners, sample().listeners);
  EXPECT_EQ(back->names, sample().names);
  EXPECT_EQ(back->started_ns, sample().started_ns);
}

// Regression: a listener without an address made the whole recording unreadable.
TEST_F(Recording, OneOddListenerOrNameIsPassedOver) {
  Manifest m = sample();
  m.listeners.push_back({unix_address(""), session::Transport::kUnix});
  m.listeners.push_back({unix_address("/bad\xff"), session::Transport::kUnix});
  m.names.push_back({"x", 0, {unix_address("")}});
  const auto back = Manifest::from_json(m.to_json());
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->listeners.size(), 3u);
}

TEST_F(Recording, ManifestsThatAreNoneAreRefused) {
  for (const char* text : {"", "{", "[]", "{}", "null", "{\"format\":\"x\"}", "{\"format\":0}"}) {
    EXPECT_FALSE(Manifest::from_json(text)) << text;
  }
  EXPECT_NE(Manifest::from_json("{\"format\":99}").error().message.find("99"), std::string::npos);
  const std::string whole = sample().to_json();
  for (size_t n = 0; n < whole.size(); ++n) (void)Manifest::from_json(whole.substr(0, n));
}

TEST_F(Recording, TheLedgersSumsAreChecked) {
  Ledger l;
  l.stages = {{"arena", "records", 10, 7, {{"arena full", 2}, {"nested", 1}}},
              {"streams", "bytes", 5, 5, {}}};
  EXPECT_TRUE(l.balanced());
  EXPECT_EQ(l.total_lost(), 3u);
  const auto back = Ledger::from_json(l.to_json());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->to_json(), l.to_json());
  l.stages[1].out = 4;
  EXPECT_FALSE(l.balanced());
}

TEST_F(Recording, WhatIsFlushedIsReadableBeforeTheEnd) {
  auto w = Writer::create(rec_, sample(), true);
  ASSERT_TRUE(w);
  ASSERT_TRUE(w->add(session(1)));
  ASSERT_TRUE(w->flush_sessions());
  ASSERT_TRUE(w->add(session(2)));
  auto r = Reader::open(rec_);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->all()->size(), 1u);
  EXPECT_TRUE(r->has_journal());
  ASSERT_TRUE(w->finish(sample(), {}, false));
  r = Reader::open(rec_);
  EXPECT_EQ(r->all()->size(), 2u);
  EXPECT_FALSE(r->has_journal());
  struct stat st;
  ASSERT_EQ(::stat(rec_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
  ASSERT_EQ(::stat((rec_ + "/sessions.rps").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(Recording, EventsComeBackFromTheJournal) {
  auto w = Writer::create(rec_, sample(), true);
  ASSERT_TRUE(w);
  for (uint64_t i = 0; i < 10; ++i) {
    session::Event e;
    e.type = session::EventType::kData, e.offset = i, e.data = "x";
    ASSERT_TRUE(w->add(e));
  }
  ASSERT_TRUE(w->finish(sample(), {}, true));
  auto r = Reader::open(rec_);
  ASSERT_TRUE(r);
  uint64_t next = 0;
  ASSERT_TRUE(r->for_each_event([&](session::Event&& e) { return e.offset == next++; }));
  EXPECT_EQ(next, 10u);
}

TEST_F(Recording, DiscardLeavesNothing) {
  auto w = Writer::create(rec_, sample(), true);
  ASSERT_TRUE(w);
  w->discard();
  EXPECT_NE(::access(rec_.c_str(), F_OK), 0);
}

TEST_F(Recording, AFolderWithSomethingInItIsRefused) {
  ASSERT_EQ(::mkdir(rec_.c_str(), 0700), 0);
  ASSERT_TRUE(replace_file(rec_ + "/manifest.json", "mine"));
  const auto w = Writer::create(rec_, sample(), true);
  ASSERT_FALSE(w);
  EXPECT_EQ(w.error().kind, ErrorKind::kUsage);
  EXPECT_EQ(*read_file(rec_ + "/manifest.json"), "mine");
}

}  // namespace
}  // namespace reprise::recording
