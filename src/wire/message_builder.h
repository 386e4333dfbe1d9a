// Collects the bytes of one message within the limit, and tracks where its direction stands.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "wire/codec.h"

namespace reprise::wire {

class MessageBuilder {
 public:
  MessageBuilder(Dir dir, size_t limit) : dir_(dir), limit_(limit) {}

  bool empty() const { return length_ == 0; }
  uint64_t length() const { return length_; }      // bytes of the message in flight
  uint64_t position() const { return position_; }  // stream offset behind its last byte
  ByteView bytes() const { return bytes_; }        // what is kept of it

  void add(ByteView part, int64_t at_ns) {
    if (part.empty()) return;
    if (length_ == 0) first_ns_ = at_ns;
    last_ns_ = at_ns;
    const size_t room = limit_ - std::min<size_t>(limit_, bytes_.size());
    if (part.size() > room && !digest_) {
      digest_.emplace();
      digest_->add(bytes_);
    }
    if (digest_) digest_->add(part);
    bytes_.append(part.substr(0, room));
    length_ += part.size();
    position_ += part.size();
  }
  // Bytes that belong to no message (lost, or skipped after a fault).
  void skip(uint64_t n) { position_ += n; }

  // The collected message; the builder is empty after it.
  Message take(Role role, uint64_t exchange) {
    Message m;
    m.dir = dir_;
    m.role = role;
    m.exchange = exchange;
    m.begin = position_ - length_;
    m.end = position_;
    m.first_ns = first_ns_;
    m.last_ns = last_ns_;
    m.bytes = std::move(bytes_);
    m.truncated = digest_.has_value();
    if (digest_) m.digest = digest_->hex();
    bytes_.clear();
    digest_.reset();
    length_ = 0;
    return m;
  }

 private:
  Dir dir_;
  size_t limit_;
  uint64_t position_ = 0;
  uint64_t length_ = 0;
  int64_t first_ns_ = 0;
  int64_t last_ns_ = 0;
  Bytes bytes_;
  std::optional<Digest> digest_;
};

}  // namespace reprise::wire
