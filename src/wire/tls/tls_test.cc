#include "wire/tls/tls.h"

#include <gtest/gtest.h>

#include "wire/codec_test_util.h"

namespace reprise::wire {
namespace {

// A ClientHello of OpenSSL 3 (TLS 1.2, one cipher) for example.org.
Bytes client_hello() {
  constexpr std::string_view kHex =
      "160301009701000093030309a304a4632d6b1df0c585b1122da223d5ae5bb3fc87d2c7ae07e6b33dc5256d00"
      "0004c02f00ff0100006600000010000e00000b6578616d706c652e6f7267000b000403000102000a000c000a"
      "001d0017001e00190018002300000016000000170000000d002a0028040305030603080708080809080a080b"
      "080408050806040105010601030303010302040205020602";
  Bytes out;
  for (size_t i = 0; i < kHex.size(); i += 2) {
    out.push_back(char(std::stoi(std::string(kHex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

TEST(Tls, DetectsAClientHello) {
  const Bytes hello = client_hello();
  const auto detect = [](ByteView client, bool server_first = false) {
    return tls_entry().detect({client, {}, server_first});
  };
  for (size_t n = 0; n < 11; ++n) EXPECT_EQ(detect(hello.substr(0, n)), Likelihood::kNeedMore) << n;
  EXPECT_EQ(detect(hello.substr(0, 11)), Likelihood::kYes);
  EXPECT_EQ(detect(hello, true), Likelihood::kNo);
  EXPECT_EQ(detect("GET"), Likelihood::kNo);
  EXPECT_EQ(detect("\x16\x03\x01\x02\x01\x02"), Likelihood::kNo);  // a ServerHello
}

TEST(Tls, TellsTheServerName) {
  const Bytes hello = client_hello();
  EXPECT_EQ(sni(hello), "example.org");
  EXPECT_EQ(sni(hello + "more"), "example.org");
  for (size_t n = 0; n < hello.size(); ++n) {
    const auto name = sni(hello.substr(0, n));
    EXPECT_TRUE(!name || *name == "example.org") << n;
  }
  Bytes without = hello;
  // Extension type, two lengths, name type and the length of the name stand in front of the name.
  without[hello.find("example.org") - 8] = 0x55;
  EXPECT_FALSE(sni(without));
}

TEST(Tls, EveryStreamIsAFaultAtItsFirstByte) {
  const testing::Script script = {{Dir::kRequest, client_hello()},
                                  {Dir::kResponse, "\x16\x03\x03"}};
  const testing::Outcome o = testing::play(tls_entry(), script);
  EXPECT_TRUE(o.messages.empty());
  ASSERT_TRUE(o.fault);
  EXPECT_EQ(o.fault->offset, 0u);
  EXPECT_EQ(o.fault->reason, "TLS: opaque (no plaintext)");
  EXPECT_EQ(testing::segmentation_difference(tls_entry(), script), "");
}

}  // namespace
}  // namespace reprise::wire
