// Protobuf wire form, written and read by hand: recordings can be decoded by stock tools from the
// published schema, without its library here (docs/formats/recording.md gives the cost of each).
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace reprise {

class ProtoWriter {
 public:
  explicit ProtoWriter(Bytes& out) : out_(out) {}

  void varint(uint64_t v) {
    while (v >= 0x80) put_u8(out_, unsigned(v & 0x7f) | 0x80), v >>= 7;
    put_u8(out_, unsigned(v));
  }
  // Zero and empty are not written: they are the defaults of the schema.
  void number(uint32_t field, uint64_t v) {
    if (v == 0) return;
    varint(field << 3), varint(v);
  }
  void signed_number(uint32_t field, int64_t v) {  // sint64
    number(field, (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63));
  }
  void bytes(uint32_t field, ByteView v) {
    if (v.empty()) return;
    message(field, v);
  }
  // Written even if empty: a repeated element that is there.
  void message(uint32_t field, ByteView v) {
    varint(field << 3 | 2), varint(v.size());
    out_.append(v);
  }

 private:
  Bytes& out_;
};

// Reads one message; next() moves from field to field. Damage ends the walk with bad() true.
class ProtoReader {
 public:
  explicit ProtoReader(ByteView in) : in_(in) {}

  bool next() {
    if (in_.empty() || bad_) return false;
    const uint64_t key = varint();
    field_ = static_cast<uint32_t>(key >> 3);
    switch (key & 7) {
      case 0: number_ = varint(); break;
      case 1: fixed(8); break;
      case 5: fixed(4); break;
      case 2: {
        const uint64_t n = varint();
        if (n > in_.size()) return bad_ = true, false;
        bytes_ = in_.substr(0, n);
        in_.remove_prefix(n);
        break;
      }
      default: bad_ = true;
    }
    return !bad_;
  }
  uint32_t field() const { return field_; }
  uint64_t number() const { return number_; }
  int64_t signed_number() const {
    return static_cast<int64_t>(number_ >> 1) ^ -static_cast<int64_t>(number_ & 1);
  }
  ByteView bytes() const { return bytes_; }
  bool bad() const { return bad_; }

 private:
  uint64_t varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (in_.empty()) break;
      const uint8_t b = u8(in_, 0);
      in_.remove_prefix(1);
      v |= uint64_t(b & 0x7f) << shift;
      if (b < 0x80) return v;
    }
    bad_ = true;
    return 0;
  }
  void fixed(size_t n) {
    if (in_.size() < n) {
      bad_ = true;
      return;
    }
    number_ = n == 8 ? le64(in_, 0) : le32(in_, 0);
    in_.remove_prefix(n);
  }

  ByteView in_;
  uint32_t field_ = 0;
  uint64_t number_ = 0;
  ByteView bytes_;
  bool bad_ = false;
};

}  // namespace reprise
