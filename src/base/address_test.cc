#include "base/address.h"

#include <gtest/gtest.h>

namespace reprise {
namespace {

TEST(Address, TextFormsSurviveARoundTrip) {
  for (const char* text : {"10.0.0.1:80", "[::1]:443", "[2001:db8::7]:1", "unix:/run/x.sock",
                           "unix:@abstract", "0.0.0.0:0"}) {
    auto a = parse_address(text);
    ASSERT_TRUE(a) << text;
    EXPECT_EQ(to_string(*a), text);
    auto kernel = SockAddr::from(*a);
    ASSERT_TRUE(kernel) << text;
    auto back = from_sockaddr(kernel->get(), kernel->length());
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(*back, *a) << text;
  }
}

TEST(Address, SpellingsOfOneAddressAreEqual) {
  EXPECT_EQ(*parse_address("[0:0::0:1]:5"), *parse_address("[::1]:5"));
  EXPECT_EQ(*parse_address("[::ffff:10.1.2.3]:5"), *parse_address("10.1.2.3:5"));
  EXPECT_EQ(*parse_address("/run/a"), *parse_address("unix:/run/a"));
}

TEST(Address, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "80", "host:80", "1.2.3:80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536",
                           "1.2.3.4:8x", "::1:80", "[::1]", "unix:", "[fe80::1%eth0]:1"})
    EXPECT_FALSE(parse_address(text)) << text;
  EXPECT_FALSE(SockAddr::from(unix_address("/" + std::string(200, 'x'))));
  EXPECT_FALSE(SockAddr::from({Address::kIp6, "1.2.3.4", 1}));
}

TEST(Address, KnowsLoopbackAndAny) {
  EXPECT_TRUE(parse_address("127.8.0.1:1")->is_loopback());
  EXPECT_TRUE(parse_address("[::1]:1")->is_loopback());
  EXPECT_FALSE(parse_address("10.0.0.1:1")->is_loopback());
  EXPECT_TRUE(parse_address("[::]:1")->is_any());
}

}  // namespace
}  // namespace reprise
