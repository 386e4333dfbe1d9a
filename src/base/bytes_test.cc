#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace reprise {

TEST(Bytes, IntegersRoundTrip) {
  Bytes b;
  put_be16(b, 0x1234), put_be32(b, 0xdeadbeef), put_le24(b, 0x010203), put_le64(b, 0x1122334455667788);
  EXPECT_EQ(be16(b, 0), 0x1234);
  EXPECT_EQ(be32(b, 2), 0xdeadbeefu);
  EXPECT_EQ(le24(b, 6), 0x010203u);
  EXPECT_EQ(le64(b, 9), 0x1122334455667788u);
}

TEST(Bytes, PrintableEscapesAndCuts) {
  EXPECT_EQ(printable(ByteView("a\r\n\x01\xff", 5)), "a\\r\\n\\x01\\xff");
  EXPECT_EQ(printable("abcdefgh", 3), "abc...");
}

TEST(Digest, StreamingEqualsWhole) {
  Digest one, two;
  one.add("hello world");
  two.add("hello "), two.add("world");
  EXPECT_EQ(one.hex(), two.hex());
  EXPECT_EQ(one.hex().size(), 32u);
}

}  // namespace reprise
