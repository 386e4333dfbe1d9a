#include "mock/rewrite.h"

#include <gtest/gtest.h>

namespace reprise::mock {

TEST(Rewrite, HttpBodyAndLength) {
  const Bytes out = rewrite_bound(wire::Protocol::kHttp1,
                                  "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nX: y\r\n\r\nid=abcdefgh12",
                                  {{"abcdefgh12", "a-longer-one-12"}});
  EXPECT_EQ(out, "HTTP/1.1 200 OK\r\nContent-Length: 18\r\nX: y\r\n\r\nid=a-longer-one-12");
}

TEST(Rewrite, OtherProtocolsKeepTheirLengths) {
  const std::vector<std::pair<std::string, std::string>> b = {{"abcdefgh", "12345678"}, {"longvalue", "x"}};
  EXPECT_EQ(rewrite_bound(wire::Protocol::kRedis, "$8\r\nabcdefgh\r\n$9\r\nlongvalue\r\n", b),
            "$8\r\n12345678\r\n$9\r\nlongvalue\r\n");
}

TEST(Rewrite, ShortValuesAreNobodysBusiness) {
  EXPECT_EQ(rewrite_bound(wire::Protocol::kHttp1, "HTTP/1.1 200 OK\r\n\r\n17", {{"17", "18"}}),
            "HTTP/1.1 200 OK\r\n\r\n17");
}

}  // namespace reprise::mock
