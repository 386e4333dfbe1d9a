// RESP2 and RESP3, and the inline commands of a telnet user. Framer finds the ends of units as
// bytes arrive; Reader walks the bytes of a kept unit. Streamed RESP3 types ("$?") exist in no
// server and are a fault.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace reprise::wire::redis {

inline constexpr size_t kMaxInline = 64 << 10;  // as redis-server: PROTO_INLINE_MAX_SIZE
inline constexpr size_t kMaxLine = 1 << 20;     // simple strings and errors
inline constexpr size_t kMaxDepth = 256;

class Framer {
 public:
  enum class State { kMore, kDone, kFault };
  explicit Framer(bool client) : client_(client) {}

  // Takes bytes to the end of the unit at most; on a fault, to the bad byte.
  size_t consume(ByteView bytes);
  void restart();
  // True if n lost bytes are surely inside a bulk string, so that the framing goes on behind them.
  bool skip(uint64_t n);

  State state() const { return state_; }
  const char* reason() const { return reason_; }
  // The unit is a command that no server answers: an empty line, "*0", "*-1".
  bool nothing() const { return nothing_; }

 private:
  enum class Step { kType, kLine, kInline, kBulk, kBulkEnd };
  bool start_element(char type);
  void line_done();
  void element_done();
  void open(uint64_t count);
  void fail(const char* reason);

  bool client_;
  State state_ = State::kMore;
  Step step_ = Step::kType;
  const char* reason_ = "";
  char type_ = 0;
  bool nothing_ = false;
  std::string line_;       // the beginning of the line behind the type byte: enough for a length
  size_t line_bytes_ = 0;  // of it so far
  uint64_t bulk_left_ = 0;
  int end_left_ = 0;                 // of the CR LF behind a bulk string
  std::vector<uint64_t> remaining_;  // elements to come, for each open aggregate
};

struct Item {
  char type = 0;      // as on the wire
  ByteView text;      // of scalars; cut if the bytes end early
  int64_t count = 0;  // of aggregates: elements to come (pairs count twice); -1 for null
  bool is_aggregate() const;
  bool is_null() const;
};

class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}
  bool next(Item& item);  // false at the end and at bytes that are no RESP
  ByteView rest() const { return rest_; }

 private:
  ByteView rest_;
};

// The words of a command, multi-bulk or inline; empty units in front are passed over.
std::vector<Bytes> parse_command(ByteView bytes);

void put_bulk(Bytes& out, ByteView text);

}  // namespace reprise::wire::redis
