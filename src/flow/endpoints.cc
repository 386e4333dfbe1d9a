#include "flow/endpoints.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/options.h"

namespace reprise::flow {

namespace {

// 4 or 16 bytes; empty if the text is no address.
std::string bits_of(const std::string& ip) {
  unsigned char bytes[16];
  if (::inet_pton(AF_INET, ip.c_str(), bytes) == 1) return std::string(reinterpret_cast<char*>(bytes), 4);
  if (::inet_pton(AF_INET6, ip.c_str(), bytes) == 1) return std::string(reinterpret_cast<char*>(bytes), 16);
  return {};
}

bool same_prefix(const std::string& a, const std::string& b, int bits) {
  for (int i = 0; i < bits; ++i) {
    const int mask = 0x80 >> (i % 8);
    const auto at = static_cast<size_t>(i / 8);
    if ((static_cast<unsigned char>(a[at]) & mask) != (static_cast<unsigned char>(b[at]) & mask)) return false;
  }
  return true;
}

}  // namespace

Status EndpointList::add(const std::string& list) {
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    const std::string word(trim(std::string_view(list).substr(at, end - at)));
    if (!word.empty()) REPRISE_TRY(add_one(word));
    at = end + 1;
  }
  return {};
}

Status EndpointList::add_one(const std::string& word) {
  if (word[0] == '/' || word[0] == '@' || word.rfind("unix:", 0) == 0) {
    Entry e;
    e.unix_path = true;
    e.path = word.rfind("unix:", 0) == 0 ? word.substr(5) : word;
    entries_.push_back(std::move(e));
    return {};
  }
  std::string host = word;
  uint16_t port = 0;
  const size_t bracket = word.find(']');
  const size_t colon = word.find(':', bracket == std::string::npos ? 0 : bracket);
  const bool bare_v6 = bracket == std::string::npos && std::count(word.begin(), word.end(), ':') > 1;
  if (colon != std::string::npos && !bare_v6) {
    auto number = parse_integer(word.substr(colon + 1));
    if (!number || *number < 1 || *number > 65535) {
      return fail("'" + word + "': no port behind the colon", "host, host:port, :port, CIDR or a path");
    }
    port = static_cast<uint16_t>(*number);
    host = word.substr(0, colon);
  }
  if (host.size() > 1 && host.front() == '[') host = host.substr(1, host.find(']') - 1);
  int prefix = -1;
  if (const size_t slash = host.find('/'); slash != std::string::npos) {
    auto bits = parse_integer(host.substr(slash + 1));
    if (!bits || *bits < 0 || *bits > 128) return fail("'" + word + "': no prefix length behind the slash");
    prefix = static_cast<int>(*bits);
    host = host.substr(0, slash);
  }
  if (host.empty() || host == "*") {
    Entry e;
    e.any_host = true;
    e.port = port;
    entries_.push_back(std::move(e));
    return {};
  }
  return add_host(host, prefix, port);
}

Status EndpointList::add_host(const std::string& host, int prefix, uint16_t port) {
  if (std::string bits = bits_of(host); !bits.empty()) {
    const int all = static_cast<int>(bits.size()) * 8;
    if (prefix > all) return fail("'" + host + "': a prefix of more than " + std::to_string(all) + " bits");
    entries_.push_back({false, false, {}, std::move(bits), prefix < 0 ? all : prefix, port});
    return {};
  }
  if (prefix >= 0) return fail("'" + host + "' is no address");
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
    return fail("'" + host + "' does not resolve: " + ::gai_strerror(error));
  }
  for (addrinfo* a = found; a != nullptr; a = a->ai_next) {
    if (auto address = from_sockaddr(a->ai_addr, a->ai_addrlen)) {
      std::string bits = bits_of(address->ip_or_path);
      const int all = static_cast<int>(bits.size()) * 8;
      if (all > 0) entries_.push_back({false, false, {}, std::move(bits), all, port});
    }
  }
  ::freeaddrinfo(found);
  return {};
}

bool EndpointList::contains(const Address& a) const {
  const std::string bits = a.family == Address::kUnix ? std::string() : bits_of(a.ip_or_path);
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
    if (a.family == Address::kUnix) return e.unix_path && e.path == a.ip_or_path;
    if (e.unix_path || (e.port != 0 && e.port != a.port)) return false;
    return e.any_host || (bits.size() == e.bits.size() && same_prefix(bits, e.bits, e.prefix));
  });
}

}  // namespace reprise::flow
