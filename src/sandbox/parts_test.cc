// The parts of a stage that need no kernel: texts in, texts out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "sandbox/channel.h"
#include "sandbox/config_codec.h"
#include "sandbox/network.h"
#include "sandbox/page.h"
#include "sandbox/probe.h"
#include "sandbox/process.h"
#include "sandbox/root.h"

namespace reprise::sandbox {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(Channel, FieldsAndDescriptorsArrive) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
  const Fd a(pair[0]), b(pair[1]);
  Message out{{"verb", "", std::string("\0x", 2)}, {}};
  out.fds.emplace_back(dup(0));
  ASSERT_TRUE(send(a.get(), out));
  auto in = receive(b.get(), std::chrono::seconds(1));
  ASSERT_TRUE(in);
  EXPECT_EQ(in->fields, out.fields);
  EXPECT_EQ(in->fds.size(), 1u);
  EXPECT_FALSE(receive(b.get(), std::chrono::milliseconds(1)));  // time-out
  EXPECT_FALSE(send(a.get(), {{std::string(kMaxMessage, 'x')}, {}}));
}

TEST(Channel, TornBytesAreRefused) {
  const Bytes whole = pack({"abc", "", "defg"});
  ASSERT_TRUE(unpack(whole));
  EXPECT_EQ(unpack(whole)->size(), 3u);
  for (size_t n : {1u, 3u, 6u, 9u, 12u, 14u})
    EXPECT_FALSE(unpack(ByteView(whole).substr(0, n))) << n;
  EXPECT_FALSE(unpack(std::string("\xff\xff\xff\xff", 4)));
}

TEST(ConfigCodec, EveryFieldSurvives) {
  StageConfig c;
  c.argv = {"a", "", "c d"};
  c.cwd = "/x";
  c.env = {{"A", "1=2"}, {"B", ""}};
  c.hostname = "h";
  c.local_ips = {"10.0.0.1"};
  c.recorded_dependencies = {*parse_address("10.0.0.2:3306")};
  c.recorded_udp = {*parse_address("[::2]:53")};
  c.unix_dependencies = {"/run/x"};
  c.refused = {*parse_address("1.2.3.4:5")};
  c.overlay = false;
  c.overlay_bytes = 1 << 20;
  c.keep_writable = {"/k"};
  c.hide = {"/h"};
  c.fake_root = true;
  c.stage_library = "/l";
  c.mode = StageMode::kPreload;
  c.fallback_reason = "because";
  auto back = decode_config(encode(c));
  ASSERT_TRUE(back);
  EXPECT_EQ(encode(*back), encode(c));
  EXPECT_EQ(back->argv, c.argv);
  EXPECT_EQ(back->env, c.env);
  EXPECT_EQ(back->recorded_udp, c.recorded_udp);
  EXPECT_EQ(back->refused, c.refused);
  EXPECT_EQ(back->unix_dependencies, c.unix_dependencies);
  EXPECT_EQ(back->overlay_bytes, c.overlay_bytes);
  EXPECT_EQ(back->mode, c.mode);
  EXPECT_FALSE(decode_config("junk"));
}

TEST(ProcNet, TcpListeners) {
  const std::string v4 =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "111 1\n"
      "   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "222 1\n"
      "   2: 0100007F:1F91 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 "
      "333 1\n"
      "   3: 0100007F:FD85 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "444 1\n"
      "   4: torn\n";
  EXPECT_THAT(address_fields(parse_proc_tcp(v4, false)),
              ElementsAre("0.0.0.0:80", "127.0.0.1:8080"));  // FD85 is the mock's
  const Inodes only = {111};
  EXPECT_THAT(address_fields(parse_proc_tcp(v4, false, &only)), ElementsAre("127.0.0.1:8080"));
  const std::string v6 =
      "  sl  local_address\n"
      "   0: B80D0120000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 0:0 "
      "0:0 0 0 0 1\n";
  EXPECT_THAT(address_fields(parse_proc_tcp(v6, true)), ElementsAre("[2001:db8::1]:443"));
}

TEST(ProcNet, UnixListeners) {
  const std::string text =
      "Num       RefCount Protocol Flags    Type St Inode Path\n"
      "0000000000000000: 00000002 00000000 00010000 0001 01 10 /run/a b.sock\n"
      "0000000000000000: 00000002 00000000 00010000 0001 01 11 @abstract\n"
      "0000000000000000: 00000002 00000000 00000000 0001 03 12 /run/connected\n"
      "0000000000000000: 00000002 00000000 00000000 0002 01 13 /dev/log\n"
      "0000000000000000: 00000002 00000000 00010000 0001 01 14\n";
  EXPECT_THAT(address_fields(parse_proc_unix(text)),
              ElementsAre("unix:/run/a b.sock", "unix:@abstract"));
}

TEST(Mountinfo, PathsAreUnescaped) {
  EXPECT_THAT(parse_mountinfo("27 1 254:0 / / rw shared:1 master:2 - ext4 /dev/vda rw\n"
                              "28 27 0:5 /a /mnt/with\\040space ro - tmpfs x ro\ntorn\n"),
              ElementsAre(Mount{"/", "ext4"}, Mount{"/mnt/with space", "tmpfs"}));
}

TEST(Rules, NameWhatIsPlayedAndRefused) {
  StageConfig c;
  c.local_ips = {"10.0.0.1", "2001:db8::1", "127.0.0.1"};
  c.recorded_dependencies = {*parse_address("127.0.0.1:6379"), unix_address("/run/x")};
  c.recorded_udp = {*parse_address("10.0.0.9:8125")};
  c.refused = {*parse_address("[2001:db8::5]:80")};
  const std::string rules = nft_rules(c);
  EXPECT_THAT(rules, HasSubstr("127.0.0.1 . 6379"));
  EXPECT_THAT(rules, HasSubstr("elements = { 127.0.0.0/8, 10.0.0.1 }"));
  EXPECT_THAT(rules, HasSubstr("elements = { 2001:db8::5 . 80 }"));
  EXPECT_THAT(rules, HasSubstr("ip daddr 10.0.0.9 udp dport 8125 redirect to :64910"));
  EXPECT_THAT(rules, Not(HasSubstr("/run/x")));
  EXPECT_EQ(nft_refused({}), "flush set inet reprise refused4\nflush set inet reprise refused6\n");
}

TEST(Rules, LeaksAreReadFromTheListing) {
  EXPECT_THAT(
      parse_leaks("table inet reprise {\n\tset deps4 {\n\t\telements = { 9.9.9.9 . 80 }\n\t}\n"
                  "\tset leak_udp4 {\n\t\tsize 1024\n\t\telements = { 8.8.8.8 . 123,\n"
                  "\t\t\t     1.1.1.1 . 443 }\n\t}\n\tset leak_udp6 {\n\t\tsize 1\n\t}\n"
                  "\tset leak_other6 {\n\t\telements = { 2001:db8::1 . 58 }\n\t}\n}\n"),
      ElementsAre(Leak{*parse_address("8.8.8.8:123"), "udp"},
                  Leak{*parse_address("1.1.1.1:443"), "udp"},
                  Leak{*parse_address("[2001:db8::1]:0"), "icmp"}));
  EXPECT_TRUE(parse_leaks("elements = { .").empty());
}

TEST(SharedPageTest, TablesAreBoundedAndOriginsChecked) {
  const Fd memory(memfd_create("page", 0));
  ASSERT_EQ(ftruncate(memory.get(), sizeof(stage::Page)), 0);
  SharedPage page;
  ASSERT_TRUE(page.map(memory.get()));
  EXPECT_FALSE(page.origin(80));
  auto& slot = page.get()->origin[80];
  slot = {{10, 0, 0, 1}, 3306, stage::kFamilyIp4, 1};
  EXPECT_EQ(to_string(*page.origin(80)), "10.0.0.1:3306");
  slot.family = 99;
  EXPECT_FALSE(page.origin(80));
  page.set_refused(std::vector<Address>(5000, *parse_address("1.1.1.1:1")));
  EXPECT_EQ(page.get()->refused_count, stage::kMaxRefused);
  StageConfig c;
  c.recorded_dependencies.resize(stage::kMaxDependencies + 1, *parse_address("1.1.1.1:1"));
  EXPECT_FALSE(page.set_redirects(c, {}, [](size_t) { return std::string("@x"); }));
}

TEST(RunTool, OutputFailureAndTimeOut) {
  auto out = run_tool("cat", {}, std::string(300'000, 'x'), std::chrono::seconds(5));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->size(), 300'000u);
  EXPECT_FALSE(run_tool("false", {}, "", std::chrono::seconds(5)));
  EXPECT_FALSE(run_tool("sleep", {"100"}, "", std::chrono::milliseconds(20)));
  auto none = run_tool("reprise-no-such-tool", {}, "", std::chrono::seconds(5));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::kEnvironment);
}

TEST(Probe, SaysWhatItFound) {
  const StageProbe p = probe("");
  EXPECT_THAT(p.mode, testing::AnyOf("root namespaces", "user namespaces", "none"));
  EXPECT_GE(p.items.size(), 6u);
  for (const auto& item : p.items) EXPECT_TRUE(item.available || !item.detail.empty()) << item.what;
}

}  // namespace
}  // namespace reprise::sandbox
