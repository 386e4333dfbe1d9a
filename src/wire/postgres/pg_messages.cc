#include "wire/postgres/pg_messages.h"

namespace reprise::wire::postgres {

ByteView Reader::take(size_t n) {
  if (n > left()) {
    ok_ = false;
    pos_ = bytes_.size();
    return {};
  }
  const ByteView v = bytes_.substr(pos_, n);
  pos_ += n;
  return v;
}

unsigned Reader::int16() {
  const ByteView v = take(2);
  return v.empty() ? 0 : be16(v, 0);
}

uint32_t Reader::int32() {
  const ByteView v = take(4);
  return v.empty() ? 0 : be32(v, 0);
}

unsigned Reader::byte() {
  const ByteView v = take(1);
  return v.empty() ? 0 : u8(v, 0);
}

ByteView Reader::zero_terminated() {
  const size_t end = bytes_.find('\0', pos_);
  if (end == ByteView::npos) {
    ok_ = false;
    pos_ = bytes_.size();
    return {};
  }
  const ByteView v = bytes_.substr(pos_, end - pos_);
  pos_ = end + 1;
  return v;
}

size_t Framer::feed(ByteView bytes) {
  size_t used = 0;
  const size_t header = untyped_ ? 4 : 5;
  while (!complete_ && !broken_ && used < bytes.size()) {
    if (header_.size() < header) {
      header_.push_back(bytes[used++]);
      if (header_.size() < header) continue;
      const uint32_t length = be32(header_, header - 4);
      // Servers take no start-up packet past 10,000 bytes and no message past 1 GB and a little.
      broken_ = length < 4 || length > (untyped_ ? kMaxStartup : 0x7fffffffu);
      left_ = broken_ ? 0 : length - 4;
      complete_ = left_ == 0;
      continue;
    }
    const size_t n = std::min<size_t>(left_, bytes.size() - used);
    head_.append(bytes.substr(used, std::min(n, kHead - head_.size())));
    used += n;
    skip(static_cast<uint32_t>(n));
  }
  return used;
}

void Framer::skip(uint32_t n) {
  left_ -= n;
  complete_ = left_ == 0;
}

void Framer::next(bool untyped) {
  untyped_ = untyped;
  complete_ = false;
  header_.clear();
  head_.clear();
}

bool Walk::next() {
  if (rest_.size() < 5) return false;
  const uint32_t length = be32(rest_, 1);
  if (length < 4 || length - 4 > rest_.size() - 5) return false;
  msg_ = {rest_[0], rest_.substr(5, length - 4), rest_.substr(0, size_t{length} + 1)};
  rest_.remove_prefix(size_t{length} + 1);
  return true;
}

void put_message(Bytes& out, char type, ByteView body) {
  put_u8(out, static_cast<unsigned char>(type));
  put_be32(out, static_cast<uint32_t>(body.size() + 4));
  out.append(body);
}

}  // namespace reprise::wire::postgres
