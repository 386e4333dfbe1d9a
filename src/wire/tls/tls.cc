#include "wire/tls/tls.h"

namespace reprise::wire {

namespace {

class TlsCodec : public Codec {
 public:
  void feed(Dir dir, ByteView bytes, int64_t, std::vector<Message>&) override {
    if (!bytes.empty() && !fault_) fault_ = Fault{dir, 0, "TLS: opaque (no plaintext)"};
  }
  void finish(Dir, int64_t, std::vector<Message>&) override {}
  void gap(Dir dir, uint64_t, int64_t, std::vector<Message>&) override {
    if (!fault_) fault_ = Fault{dir, 0, "TLS: opaque (no plaintext)"};
  }
  const std::optional<Fault>& fault() const override { return fault_; }

 private:
  std::optional<Fault> fault_;
};

// Nothing can be said on a connection whose keys we do not have: the caller closes it.
class TlsResponder : public Responder {
 public:
  Bytes error(const Message&, std::string_view) override { return {}; }
};

Answer describe(ByteView, const Operation&, ByteView answer) {
  Answer a;
  a.label = std::to_string(answer.size()) + " bytes of TLS";
  a.leaves.push_back({"bytes", Bytes(answer), LeafForm::kBinary, LeafClass::kIdentity});
  return a;
}

// Record: type 22, version 3.x, length; handshake: type 1, 24-bit length, version 3.x.
Likelihood detect(const Prefix& prefix) {
  const ByteView c = prefix.client;
  if (prefix.server_first) return Likelihood::kNo;
  if (c.empty()) return prefix.server.empty() ? Likelihood::kNeedMore : Likelihood::kNo;
  const auto is = [&](size_t i, unsigned low, unsigned high) {
    return c.size() <= i || (u8(c, i) >= low && u8(c, i) <= high);
  };
  if (!is(0, 22, 22) || !is(1, 3, 3) || !is(2, 0, 4) || !is(3, 0, 0x40) || !is(5, 1, 1)) {
    return Likelihood::kNo;
  }
  if (!is(9, 3, 3) || !is(10, 0, 4)) return Likelihood::kNo;
  return c.size() > 10 ? Likelihood::kYes : Likelihood::kNeedMore;
}

// Takes n bytes off rest; false if there are fewer.
bool take(ByteView& rest, size_t n, ByteView& part) {
  if (rest.size() < n) return false;
  part = rest.substr(0, n);
  rest.remove_prefix(n);
  return true;
}
// Takes a vector with a length of one or two bytes in front.
bool take_vector(ByteView& rest, size_t length_bytes, ByteView& part) {
  ByteView length;
  if (!take(rest, length_bytes, length)) return false;
  return take(rest, length_bytes == 1 ? u8(length, 0) : be16(length, 0), part);
}

}  // namespace

std::optional<std::string> sni(ByteView client_prefix) {
  if (detect({client_prefix, {}}) != Likelihood::kYes) return std::nullopt;
  // Record header 5, handshake header 4, version 2, random 32. A hello over several records is
  // rare.
  ByteView rest = client_prefix.substr(0, 5 + size_t{be16(client_prefix, 3)});
  ByteView part, extensions;
  if (!take(rest, 43, part) || !take_vector(rest, 1, part) || !take_vector(rest, 2, part) ||
      !take_vector(rest, 1, part)) {
    return std::nullopt;
  }
  if (rest.size() < 2) return std::nullopt;
  extensions = rest.substr(2, be16(rest, 0));
  while (extensions.size() >= 4) {
    const uint16_t type = be16(extensions, 0);
    extensions.remove_prefix(2);
    if (!take_vector(extensions, 2, part)) return std::nullopt;
    if (type != 0) continue;
    ByteView list, name;
    if (!take_vector(part, 2, list) || list.empty() || list[0] != 0) return std::nullopt;
    list.remove_prefix(1);
    if (!take_vector(list, 2, name) || name.empty()) return std::nullopt;
    return std::string(name);
  }
  return std::nullopt;
}

ProtocolEntry tls_entry() {
  return {
      Protocol::kTls, detect,
      [](const CodecOptions&) -> std::unique_ptr<Codec> { return std::make_unique<TlsCodec>(); },
      []() -> std::unique_ptr<Responder> { return std::make_unique<TlsResponder>(); }, describe};
}

}  // namespace reprise::wire
