// One direction of a stream, put in order. Every piece of data carries its offset, so threads that
// publish late, or a record that was lost, show as holes and never as silent corruption.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>

#include "base/bytes.h"

namespace reprise::session {

// Who moved a range of bytes, and when.
struct Piece {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t thread = 0;
  uint32_t pid = 0;
  int64_t at_ns = 0;
  uint64_t tag = 0;  // of the owner; the attribution of a write
};

struct HalfStats {
  uint64_t bytes_in = 0;
  uint64_t delivered = 0;
  uint64_t repeated = 0;  // offsets that had been delivered before
  uint64_t missing = 0;   // holes that never filled: not part of bytes_in
};

class Half {
 public:
  using Deliver = std::function<void(ByteView bytes, const Piece& piece)>;
  using Missing = std::function<void(uint64_t length)>;

  // Delivers what is in order now: this piece, and those that waited for it.
  void add(Piece piece, ByteView bytes, const Deliver& deliver, HalfStats& stats);
  // Gives up on a hole: what waits behind it is delivered after missing().
  void skip_hole(const Deliver& deliver, const Missing& missing, HalfStats& stats);

  bool has_hole() const { return !waiting_.empty(); }
  int64_t hole_since_ns() const { return hole_since_ns_; }
  size_t waiting_bytes() const { return waiting_bytes_; }
  size_t waiting_pieces() const { return waiting_.size(); }
  uint64_t next() const { return next_; }
  // The first piece seen may begin late (a stream joined in the middle).
  void start_at(uint64_t offset) { next_ = offset; }

 private:
  struct Waiting {
    Piece piece;
    Bytes bytes;
  };
  void drain(const Deliver& deliver, HalfStats& stats);

  uint64_t next_ = 0;
  std::map<uint64_t, Waiting> waiting_;
  size_t waiting_bytes_ = 0;
  int64_t hole_since_ns_ = 0;
};

}  // namespace reprise::session
