// What listens, from /proc/net/{tcp,tcp6,unix}. Linux Documentation/networking/proc_net_tcp.rst.
#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <sstream>

#include "sandbox/network.h"

namespace reprise::sandbox {
namespace {

bool mock_port(unsigned port) {
  return port == kTcpPort || port == kDnsPort ||
         (port >= kUdpPort && port < kUdpPort + kMaxUdpDependencies);
}

template <class T>
bool hex(std::string_view text, T& out) {
  return std::from_chars(text.data(), text.data() + text.size(), out, 16).ec == std::errc();
}

}  // namespace

std::vector<Address> parse_proc_tcp(const std::string& text, bool v6, const Inodes* inodes) {
  std::vector<Address> out;
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);  // the heading
  const size_t digits = v6 ? 32 : 8;
  while (std::getline(lines, line)) {
    std::istringstream row(line);
    std::string number, local, remote, state;
    row >> number >> local >> remote >> state;
    // tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
    std::string skip;
    uint64_t inode = 0;
    row >> skip >> skip >> skip >> skip >> skip >> inode;
    if (inodes != nullptr && !inodes->contains(inode)) continue;
    unsigned port = 0;
    if (state != "0A" || local.size() != digits + 5 || local[digits] != ':' ||
        !hex(std::string_view(local).substr(digits + 1), port) || mock_port(port))
      continue;
    // Each group of eight digits is a word in the machine's own byte order.
    unsigned char bytes[16];
    for (size_t i = 0; i < digits / 8; ++i) {
      uint32_t word = 0;
      hex(std::string_view(local).substr(i * 8, 8), word);
      std::memcpy(bytes + i * 4, &word, 4);
    }
    char ip[INET6_ADDRSTRLEN];
    inet_ntop(v6 ? AF_INET6 : AF_INET, bytes, ip, sizeof ip);
    if (auto a = ip_address(ip, static_cast<uint16_t>(port))) out.push_back(*a);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<Address> parse_proc_unix(const std::string& text, const Inodes* inodes) {
  std::vector<Address> out;
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream row(line);
    std::string number, references, protocol, flags, type, state, inode;
    row >> number >> references >> protocol >> flags >> type >> state >> inode;
    constexpr unsigned kListens = 0x10000;  // __SO_ACCEPTCON
    unsigned bits = 0;
    if (!hex(flags, bits) || !(bits & kListens) || type != "0001") continue;
    if (inodes != nullptr && !inodes->contains(std::strtoull(inode.c_str(), nullptr, 10))) continue;
    std::string path;
    std::getline(row, path);
    if (path.size() > 1) out.push_back(unix_address(path.substr(1)));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace reprise::sandbox
