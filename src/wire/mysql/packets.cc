#include "wire/mysql/packets.h"

namespace reprise::wire::mysql {

ByteView Reader::take(uint64_t n) {
  if (n > left()) {
    ok_ = false;
    pos_ = bytes_.size();
    return {};
  }
  const ByteView v = bytes_.substr(pos_, n);
  pos_ += n;
  return v;
}

ByteView Reader::zero_terminated() {
  const size_t end = std::min(bytes_.find('\0', pos_), bytes_.size());
  const ByteView v = bytes_.substr(pos_, end - pos_);
  pos_ = std::min(end + 1, bytes_.size());
  return v;
}

uint64_t Reader::integer(size_t width) {
  const ByteView v = take(width);
  uint64_t n = 0;
  for (size_t i = v.size(); i > 0; --i) n = n << 8 | u8(v, i - 1);
  return n;
}

uint64_t Reader::lenenc() {
  const uint64_t first = integer(1);
  if (first < 0xfb) return first;
  if (first == 0xfc) return integer(2);
  if (first == 0xfd) return integer(3);
  if (first == 0xfe) return integer(8);
  ok_ = false;
  return 0;
}

size_t Framer::feed(ByteView bytes) {
  size_t used = 0;
  while (!complete_ && used < bytes.size()) {
    if (header_.size() < 4) {
      header_.push_back(bytes[used++]);
      if (header_.size() < 4) continue;
      left_ = le24(header_, 0);
      full_ = left_ == kMaxPayload;
      last_seq_ = u8(header_, 3);
      if (!continued_) first_seq_ = last_seq_;
      if (left_ == 0) settle();
      continue;
    }
    const size_t n = std::min<size_t>(left_, bytes.size() - used);
    head_.append(bytes.substr(used, std::min(n, kHead - head_.size())));
    length_ += n;
    left_ -= static_cast<uint32_t>(n);
    used += n;
    if (left_ == 0) settle();
  }
  return used;
}

void Framer::settle() {
  header_.clear();
  continued_ = full_;
  complete_ = !full_;
}

void Framer::skip(uint32_t n) {
  length_ += n;
  left_ -= n;
  if (left_ == 0) settle();
}

void Framer::next() {
  head_.clear();
  length_ = 0;
  complete_ = continued_ = full_ = false;
}

bool Walk::next() {
  joined_.clear();
  bool first = true;
  while (rest_.size() >= 4) {
    const size_t n = le24(rest_, 0);
    if (rest_.size() - 4 < n) return false;
    if (first) seq_ = u8(rest_, 3);
    payload_ = rest_.substr(4, n);
    rest_.remove_prefix(4 + n);
    if (n == kMaxPayload || !first) {
      joined_.append(payload_);
      payload_ = joined_;
    }
    if (n < kMaxPayload) return true;
    first = false;
  }
  return false;
}

Bytes first_payload(ByteView message) {
  Bytes out;
  while (message.size() >= 4) {
    const size_t n = le24(message, 0);
    out.append(message.substr(4, n));
    if (n < kMaxPayload || message.size() - 4 < n) break;
    message.remove_prefix(4 + n);
  }
  return out;
}

void put_lenenc(Bytes& out, uint64_t v) {
  if (v < 0xfb) {
    put_u8(out, static_cast<unsigned>(v));
  } else if (v <= 0xffff) {
    put_u8(out, 0xfc), put_le16(out, static_cast<unsigned>(v));
  } else if (v <= 0xffffff) {
    put_u8(out, 0xfd), put_le24(out, static_cast<uint32_t>(v));
  } else {
    put_u8(out, 0xfe), put_le64(out, v);
  }
}

void put_lenenc_string(Bytes& out, ByteView s) {
  put_lenenc(out, s.size());
  out.append(s);
}

uint8_t put_packet(Bytes& out, uint8_t seq, ByteView payload) {
  for (;;) {
    const size_t n = std::min<size_t>(payload.size(), kMaxPayload);
    put_le24(out, static_cast<uint32_t>(n));
    put_u8(out, seq++);
    out.append(payload.substr(0, n));
    payload.remove_prefix(n);
    if (n < kMaxPayload) return seq;
  }
}

OkFields parse_ok(ByteView payload) {
  Reader r(payload);
  OkFields ok;
  r.integer(1);
  ok.affected = r.lenenc();
  ok.last_insert_id = r.lenenc();
  ok.status = static_cast<unsigned>(r.integer(2));
  ok.valid = r.ok();
  ok.warnings = static_cast<unsigned>(r.integer(2));
  ok.info = r.rest();
  return ok;
}

ErrFields parse_err(ByteView payload) {
  Reader r(payload);
  ErrFields err;
  r.integer(1);
  err.code = static_cast<unsigned>(r.integer(2));
  if (r.left() >= 6 && r.rest()[0] == '#') {
    r.take(1);
    err.state = r.take(5);
  }
  err.message = r.rest();
  return err;
}

Greeting parse_greeting(ByteView payload) {
  Greeting g;
  Reader r(payload);
  if (r.integer(1) != 10) return g;
  g.version = r.zero_terminated();
  r.take(4 + 8 + 1);  // connection id, salt, filler
  g.low_at = r.position();
  g.capabilities = static_cast<uint32_t>(r.integer(2));
  g.valid = r.ok() && !g.version.empty();
  r.take(1 + 2);  // character set, status
  if (r.left() >= 2) {
    g.high_at = r.position();
    g.capabilities |= static_cast<uint32_t>(r.integer(2)) << 16;
  }
  return g;
}

Login parse_login(ByteView payload) {
  Login l;
  Reader r(payload);
  l.capabilities = static_cast<uint32_t>(r.integer(4));
  r.take(4 + 1 + 23);
  if (!r.ok()) return l;
  l.valid = true;
  l.user = r.zero_terminated();
  if ((l.capabilities & kPluginAuthLenenc) != 0) {
    r.lenenc_string();
  } else if ((l.capabilities & kSecureConnection) != 0) {
    r.take(r.integer(1));
  } else {
    r.zero_terminated();
  }
  if ((l.capabilities & kConnectWithDb) != 0) l.database = r.zero_terminated();
  if ((l.capabilities & kPluginAuth) != 0) l.plugin = r.zero_terminated();
  return l;
}

Login parse_change_user(ByteView payload, uint32_t capabilities) {
  Login l;
  Reader r(payload);
  l.capabilities = capabilities;
  r.integer(1);
  l.user = r.zero_terminated();
  r.take(r.integer(1));
  l.database = r.zero_terminated();
  r.take(2);
  l.plugin = r.zero_terminated();
  l.valid = true;
  return l;
}

}  // namespace reprise::wire::mysql
