// The message layer of the PostgreSQL protocol, version 3: a type byte, four bytes of length that
// count themselves, a body; start-up messages have no type byte. Source: PostgreSQL documentation,
// "Frontend/Backend Protocol", message formats.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/leaf.h"

namespace reprise::wire::postgres {

constexpr uint32_t kProtocol3 = 0x00030000;
constexpr uint32_t kCancelCode = 80877102;
constexpr uint32_t kSslCode = 80877103;
constexpr uint32_t kGssCode = 80877104;
constexpr uint32_t kMaxStartup = 10000;  // as the server has it

class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  size_t left() const { return bytes_.size() - pos_; }
  ByteView rest() const { return bytes_.substr(pos_); }
  ByteView take(size_t n);
  unsigned int16();
  uint32_t int32();
  unsigned byte();
  ByteView zero_terminated();

 private:
  ByteView bytes_;
  size_t pos_ = 0;
  bool ok_ = true;
};

// Cuts one direction into messages; keeps no more than the head of a body.
class Framer {
 public:
  explicit Framer(bool starts_untyped) : untyped_(starts_untyped) {}
  // Consumes up to the end of the current message; complete() tells whether it ended, broken() that
  // the length cannot be right.
  size_t feed(ByteView bytes);
  bool complete() const { return complete_; }
  bool broken() const { return broken_; }
  bool idle() const { return header_.empty(); }
  void next(bool untyped);
  char type() const { return untyped_ || header_.empty() ? '\0' : header_[0]; }
  ByteView head() const { return head_; }  // first kHead bytes of the body
  uint32_t left_in_message() const { return left_; }
  void skip(uint32_t n);

 private:
  static constexpr size_t kHead = 4096;
  bool untyped_;
  bool complete_ = false;
  bool broken_ = false;
  Bytes header_;
  Bytes head_;
  uint32_t left_ = 0;
};

struct Msg {
  char type = 0;
  ByteView body;
  ByteView whole;
};

// Walks the messages of a stored unit or answer (typed ones).
class Walk {
 public:
  explicit Walk(ByteView bytes) : rest_(bytes) {}
  bool next();  // false at the end, and at a message that is cut
  const Msg& msg() const { return msg_; }
  char type() const { return msg_.type; }

 private:
  ByteView rest_;
  Msg msg_;
};

void put_message(Bytes& out, char type, ByteView body);

// One value as a leaf's text and form. format: 0 text, 1 binary.
void read_value(ByteView value, uint32_t oid, unsigned format, Leaf& leaf);

}  // namespace reprise::wire::postgres
