#include "flow/endpoints.h"

#include <gtest/gtest.h>

namespace reprise::flow {

namespace {
bool holds(const std::string& list, const std::string& address) {
  EndpointList l;
  EXPECT_TRUE(l.add(list)) << list;
  auto a = parse_address(address);
  EXPECT_TRUE(a) << address;
  return l.contains(*a);
}
}  // namespace

TEST(Endpoints, HostsPortsNetworksPaths) {
  EXPECT_TRUE(holds("10.0.0.5", "10.0.0.5:80"));
  EXPECT_FALSE(holds("10.0.0.5", "10.0.0.6:80"));
  EXPECT_TRUE(holds("10.0.0.0/8:5432", "10.9.9.9:5432"));
  EXPECT_FALSE(holds("10.0.0.0/8:5432", "10.9.9.9:5433"));
  EXPECT_TRUE(holds(":9090", "[::1]:9090"));
  EXPECT_TRUE(holds("::1", "[::1]:1"));
  EXPECT_TRUE(holds("1.2.3.4, /run/x.sock", "unix:/run/x.sock"));
  EXPECT_TRUE(holds("localhost:1", "127.0.0.1:1"));
  EXPECT_FALSE(holds("0.0.0.0/0", "[::1]:1"));
}

TEST(Endpoints, SaysWhatIsWrong) {
  for (const char* bad : {"1.2.3.4:http", "1.2.3.4:70000", "1.2.3.4/33", "no-such-name.invalid", "x/8"}) {
    EndpointList l;
    EXPECT_FALSE(l.add(bad)) << bad;
  }
}

}  // namespace reprise::flow
