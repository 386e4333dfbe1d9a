#include "base/proto.h"

#include <gtest/gtest.h>

namespace reprise {

TEST(Proto, RoundTripsEveryKind) {
  Bytes out;
  ProtoWriter w(out);
  w.number(1, 300), w.signed_number(2, -5), w.bytes(3, ByteView("a\0b", 3)), w.message(4, "");
  ProtoReader r(out);
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.field(), 1u);
  EXPECT_EQ(r.number(), 300u);
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.signed_number(), -5);
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.bytes(), ByteView("a\0b", 3));
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.field(), 4u);
  EXPECT_FALSE(r.next());
  EXPECT_FALSE(r.bad());
}

TEST(Proto, KnownBytesOfTheSpecification) {
  // From the protocol buffers encoding guide: field 1 = 150 is 08 96 01.
  Bytes out;
  ProtoWriter(out).number(1, 150);
  EXPECT_EQ(to_hex(out), "089601");
}

TEST(Proto, TruncationAtEveryByteIsBadOrShort) {
  Bytes out;
  ProtoWriter w(out);
  w.number(1, 1u << 30), w.bytes(2, "hello");
  for (size_t n = 0; n < out.size(); ++n) {
    ProtoReader r(ByteView(out).substr(0, n));
    int fields = 0;
    while (r.next()) ++fields;
    EXPECT_LT(fields, 2);
  }
}

}  // namespace reprise
