#include "value/shape.h"

#include <gtest/gtest.h>

namespace reprise::value {

constexpr int64_t kAround = int64_t{1700000000} * 1000000000;

TEST(Shape, RecognisesWhatIsVolatile) {
  EXPECT_EQ(shape_of("123e4567-e89b-12d3-a456-426614174000", kAround), Shape::kUuid);
  EXPECT_EQ(shape_of("0af7651916cd43dd8448eb211c80319c", kAround), Shape::kHex);
  EXPECT_EQ(shape_of("1700000123", kAround), Shape::kEpoch);
  EXPECT_EQ(shape_of("1700000123456", kAround), Shape::kEpoch);
  EXPECT_EQ(shape_of("1700000123.25", kAround), Shape::kEpoch);
  EXPECT_EQ(shape_of("2023-11-14T22:13:20Z", kAround), Shape::kTimestamp);
  EXPECT_EQ(shape_of("Tue, 14 Nov 2023 22:13:20 GMT", kAround), Shape::kTimestamp);
  EXPECT_EQ(shape_of("aB3dEfGhIjKlMnOpQrSt", kAround), Shape::kToken);
}

TEST(Shape, LeavesPlainValuesAlone) {
  for (const char* plain : {"", "17", "alice", "1234567890", "deadbeef", "user/1001", "aaaaaaaaaaaaaaaaaaaaaaaa",
                            "1111111111111111", "a-long-name-of-a-thing-in-words"}) {
    EXPECT_EQ(shape_of(plain, kAround), Shape::kPlain) << plain;
  }
}

}  // namespace reprise::value
