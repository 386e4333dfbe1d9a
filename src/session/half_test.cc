#include "session/half.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace reprise::session {
namespace {

struct Reader {
  void add(uint64_t begin, ByteView bytes, int64_t at = 1) {
    Piece p;
    p.begin = begin, p.at_ns = at;
    half.add(p, bytes, deliver(), stats);
  }
  Half::Deliver deliver() {
    return [this](ByteView bytes, const Piece& p) {
      EXPECT_EQ(p.end - p.begin, bytes.size());
      text += bytes;
    };
  }
  void skip() {
    half.skip_hole(deliver(), [this](uint64_t n) { text += "<" + std::to_string(n) + ">"; }, stats);
  }
  Half half;
  HalfStats stats;
  Bytes text;
};

TEST(Half, EveryOrderGivesTheSameBytes) {
  const Bytes all = "abcdefgh";
  std::vector<int> order = {0, 1, 2, 3};
  do {
    Reader r;
    for (int i : order)
      r.add(static_cast<uint64_t>(i) * 2, all.substr(static_cast<size_t>(i) * 2, 2));
    EXPECT_EQ(r.text, all);
    EXPECT_FALSE(r.half.has_hole());
    EXPECT_EQ(r.half.waiting_bytes(), 0u);
    EXPECT_EQ(r.stats.bytes_in, r.stats.delivered);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Half, WhatWasSeenBeforeIsDeliveredOnce) {
  Reader r;
  r.add(0, "abcd"), r.add(2, "cdef"), r.add(0, "abc"), r.add(8, "ij"), r.add(8, "ijk"),
      r.add(7, "hi");
  EXPECT_EQ(r.text, "abcdef");
  r.add(6, "g");
  EXPECT_EQ(r.text, "abcdefghijk");
  EXPECT_EQ(r.stats.bytes_in, r.stats.delivered + r.stats.repeated);
}

TEST(Half, AHoleIsSkippedOnDemandAndCounted) {
  Reader r;
  r.add(0, "ab", 5), r.add(6, "gh", 10), r.add(12, "mn", 20);
  EXPECT_EQ(r.half.hole_since_ns(), 10);
  r.skip();
  EXPECT_EQ(r.text, "ab<4>gh");
  EXPECT_EQ(r.half.hole_since_ns(), 20);  // the second hole's own patience begins
  r.skip();
  EXPECT_EQ(r.text, "ab<4>gh<4>mn");
  EXPECT_EQ(r.stats.missing, 8u);
  r.add(2, "cdef");  // too late
  EXPECT_EQ(r.stats.bytes_in, r.stats.delivered + r.stats.repeated);
}

TEST(Half, AFilledHoleLeavesTheNextOneItsOwnPatience) {
  Reader r;
  r.add(2, "c", 10), r.add(4, "e", 500);
  r.add(0, "ab", 20);
  EXPECT_EQ(r.text, "abc");
  EXPECT_EQ(r.half.hole_since_ns(), 500);
}

}  // namespace
}  // namespace reprise::session
