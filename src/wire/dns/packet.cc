#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "wire/dns/dns.h"

namespace reprise::wire::dns {

namespace {

constexpr size_t kHeader = 12;
constexpr size_t kMaxName = 255;
constexpr int kMaxJumps = 64;     // a chain of pointers must not cost more than the name is worth
constexpr size_t kUdpSize = 512;  // of an answer, without EDNS

// A name at at, which moves behind it. Pointers go backwards only, so that it ends.
std::optional<std::string> take_name(ByteView packet, size_t& at) {
  std::string name;
  size_t pos = at;
  size_t bound = at;  // a pointer must point before it
  size_t wire_length = 0;
  int jumps = 0;
  while (pos < packet.size()) {
    const uint8_t length = u8(packet, pos);
    if (length == 0) {
      if (jumps == 0) at = pos + 1;
      return name;
    }
    if ((length & 0xc0) == 0xc0) {
      if (pos + 1 >= packet.size()) return std::nullopt;
      const size_t target = be16(packet, pos) & 0x3fff;
      if (jumps == 0) at = pos + 2;
      // No name stands in the header, and an answer has another header than its query.
      if (target < kHeader || target >= bound || ++jumps > kMaxJumps) return std::nullopt;
      pos = bound = target;
      continue;
    }
    wire_length += length + 1u;
    if ((length & 0xc0) != 0 || pos + 1 + length > packet.size() || wire_length > kMaxName) {
      return std::nullopt;
    }
    if (!name.empty()) name += '.';
    for (size_t i = pos + 1; i <= pos + length; ++i) {
      const uint8_t c = u8(packet, i);
      if (c <= 0x20 || c >= 0x7f || c == '.' || c == '\\') {
        name += '\\';
        name += char('0' + c / 100);
        name += char('0' + c / 10 % 10);
        name += char('0' + c % 10);
      } else {
        name += c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : char(c);
      }
    }
    pos += length + 1u;
  }
  return std::nullopt;
}

std::string data_text(ByteView packet, uint16_t type, size_t at, size_t length) {
  const ByteView data = packet.substr(at, length);
  char text[INET6_ADDRSTRLEN] = {};
  if (type == kA && length == 4) {
    inet_ntop(AF_INET, data.data(), text, sizeof text);
    return text;
  }
  if (type == kAaaa && length == 16) {
    inet_ntop(AF_INET6, data.data(), text, sizeof text);
    return text;
  }
  std::string front;
  if (type == kMx && length > 2) {
    front = std::to_string(be16(data, 0)) + ' ';
    at += 2;
  } else if (type == kSrv && length > 6) {
    for (size_t i = 0; i < 6; i += 2) front += std::to_string(be16(data, i)) + ' ';
    at += 6;
  }
  if (type == kCname || type == kNs || type == kPtr || !front.empty()) {
    if (const auto name = take_name(packet, at)) return front + *name;
  }
  if (type == kTxt) {
    std::string joined;
    for (size_t i = 0; i < data.size(); i += 1 + u8(data, i)) {
      joined.append(data.substr(i + 1, u8(data, i)));
    }
    return joined;
  }
  return to_hex(data);
}

// The bytes of header and question section, with the flags of an answer and no records.
Bytes answer_head(ByteView query, int rcode) {
  if (query.size() < kHeader || !parse(query)) return {};
  size_t at = kHeader;
  const size_t questions = be16(query, 4);
  for (size_t i = 0; i < questions; ++i) {
    take_name(query, at);
    at += 4;
  }
  Bytes out(query.substr(0, at));
  out[2] = char((u8(query, 2) & 0x79) | 0x80);  // QR; opcode and RD as asked
  out[3] = char(0x80 | (rcode & 0x0f));         // RA
  for (size_t i = 6; i < kHeader; ++i) out[i] = 0;
  return out;
}

}  // namespace

std::string type_name(uint16_t type) {
  constexpr std::array<std::pair<uint16_t, const char*>, 12> kNames = {{{kA, "A"},
                                                                        {kNs, "NS"},
                                                                        {kCname, "CNAME"},
                                                                        {kSoa, "SOA"},
                                                                        {kPtr, "PTR"},
                                                                        {kMx, "MX"},
                                                                        {kTxt, "TXT"},
                                                                        {kAaaa, "AAAA"},
                                                                        {kSrv, "SRV"},
                                                                        {64, "SVCB"},
                                                                        {65, "HTTPS"},
                                                                        {255, "ANY"}}};
  for (const auto& [number, name] : kNames) {
    if (number == type) return name;
  }
  return "TYPE" + std::to_string(type);
}

std::optional<Packet> parse(ByteView datagram) {
  if (datagram.size() < kHeader) return std::nullopt;
  Packet p;
  p.id = be16(datagram, 0);
  p.response = (u8(datagram, 2) & 0x80) != 0;
  p.opcode = u8(datagram, 2) >> 3 & 0x0f;
  p.cut = (u8(datagram, 2) & 0x02) != 0;
  p.recursion_desired = (u8(datagram, 2) & 0x01) != 0;
  p.rcode = u8(datagram, 3) & 0x0f;
  size_t at = kHeader;
  for (size_t left = be16(datagram, 4); left > 0; --left) {
    auto name = take_name(datagram, at);
    if (!name || datagram.size() - at < 4) return std::nullopt;
    p.questions.push_back({std::move(*name), be16(datagram, at), be16(datagram, at + 2)});
    at += 4;
  }
  for (size_t left = be16(datagram, 6); left > 0; --left) {
    auto name = take_name(datagram, at);
    if (!name || datagram.size() - at < 10) break;
    Resource r{
        std::move(*name), be16(datagram, at), be16(datagram, at + 2), be32(datagram, at + 4), {}};
    const size_t length = be16(datagram, at + 8);
    at += 10;
    if (datagram.size() - at < length) break;
    r.data = data_text(datagram, r.type, at, length);
    at += length;
    p.answers.push_back(std::move(r));
  }
  p.end = at;
  return p;
}

Bytes make_answer(ByteView query, const std::vector<std::string>& addresses, uint32_t ttl) {
  Bytes out = answer_head(query, kNoError);
  const auto asked = parse(query);
  if (out.empty() || !asked || asked->questions.empty()) return out;
  const uint16_t type = asked->questions[0].type;
  unsigned count = 0;
  for (const std::string& address : addresses) {
    std::array<char, 16> raw{};
    const int family = type == kA ? AF_INET : AF_INET6;
    if ((type != kA && type != kAaaa) || inet_pton(family, address.c_str(), raw.data()) != 1)
      continue;
    const size_t length = type == kA ? 4 : 16;
    // More than fit without EDNS: the first ones. The TC flag would send the client to TCP.
    if (out.size() + 12 + length > std::max(kUdpSize, query.size())) break;
    put_be16(out, 0xc000 | kHeader);  // the name of the question
    put_be16(out, type);
    put_be16(out, asked->questions[0].cls);
    put_be32(out, ttl);
    put_be16(out, unsigned(length));
    out.append(raw.data(), length);
    ++count;
  }
  out[6] = char(count >> 8);
  out[7] = char(count);
  return out;
}

Bytes make_error(ByteView query, int rcode) { return answer_head(query, rcode); }

}  // namespace reprise::wire::dns
