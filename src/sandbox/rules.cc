// The nftables rules of a stage.
//
// filter (before NAT, so it sees where the subject wanted to go): UDP to an unknown place is
// counted; what is neither TCP nor UDP and would leave the machine is counted and dropped.
// nat: TCP to the mock, UDP 53 to its DNS, each recorded UDP dependency to a socket of its own (the
// original destination of UDP cannot be asked of a socket, so the socket is the answer). A local
// destination that is no recorded dependency passes. Recorded refusals and unknown UDP go to a port
// where nothing listens: the kernel itself then refuses, as a real machine does. A reject rule in
// the output hook would make send() fail with EPERM instead.
#include <sstream>

#include "sandbox/network.h"

namespace reprise::sandbox {
namespace {

std::string elements(const std::vector<Address>& addresses, Address::Family family) {
  std::string out;
  for (const Address& a : addresses) {
    if (a.family != family) continue;
    if (!out.empty()) out += ", ";
    out += fmt::format("{} . {}", a.ip_or_path, a.port);
  }
  return out;
}

std::string set_of(std::string_view name, std::string_view type, const std::string& items,
                   std::string_view flags = {}) {
  return fmt::format("  set {} {{ type {};{}{} }}\n", name, type, flags,
                     items.empty() ? "" : " elements = { " + items + " };");
}

std::string local_ips(const StageConfig& config, Address::Family family) {
  std::string out = family == Address::kIp4 ? "127.0.0.0/8" : "::1";
  for (const std::string& text : config.local_ips) {
    auto a = ip_address(text, 0);
    if (a && a->family == family && !a->is_loopback() && !a->is_any()) out += ", " + a->ip_or_path;
  }
  return out;
}

}  // namespace

std::string nft_rules(const StageConfig& c) {
  std::string out = "table inet reprise {\n";
  const std::string v4 = "ipv4_addr . inet_service", v6 = "ipv6_addr . inet_service";
  out += set_of("deps4", v4, elements(c.recorded_dependencies, Address::kIp4));
  out += set_of("deps6", v6, elements(c.recorded_dependencies, Address::kIp6));
  out += set_of("refused4", v4, elements(c.refused, Address::kIp4));
  out += set_of("refused6", v6, elements(c.refused, Address::kIp6));
  const std::string_view interval = " flags interval; auto-merge;";
  out += set_of("local4", "ipv4_addr", local_ips(c, Address::kIp4), interval);
  out += set_of("local6", "ipv6_addr", local_ips(c, Address::kIp6), interval);
  const std::string_view dynamic = " flags dynamic; size 1024;";
  out += set_of("leak_udp4", v4, "", dynamic);
  out += set_of("leak_udp6", v6, "", dynamic);
  out += set_of("leak_other4", "ipv4_addr . inet_proto", "", dynamic);
  out += set_of("leak_other6", "ipv6_addr . inet_proto", "", dynamic);

  std::string udp_nat, udp_accept;
  uint16_t port = kUdpPort;
  for (const Address& a : c.recorded_udp) {
    if (a.family == Address::kUnix) continue;
    const std::string match = fmt::format(
        "{} daddr {} udp dport {}", a.family == Address::kIp4 ? "ip" : "ip6", a.ip_or_path, a.port);
    udp_nat += fmt::format("    {} redirect to :{}\n", match, port++);
    udp_accept += fmt::format("    {} accept\n", match);
  }

  out += fmt::format(R"(  chain filter_out {{
    type filter hook output priority -150; policy accept;
    meta mark {0:#x} accept
    ct state established,related accept
    meta l4proto tcp accept
    udp dport 53 accept
{1}    ip daddr @local4 accept
    ip6 daddr @local6 accept
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld-listener-report, mld2-listener-report }} drop
    meta l4proto udp update @leak_udp4 {{ ip daddr . udp dport }}
    meta l4proto udp update @leak_udp6 {{ ip6 daddr . udp dport }}
    meta l4proto udp accept
    update @leak_other4 {{ ip daddr . meta l4proto }}
    update @leak_other6 {{ ip6 daddr . meta l4proto }}
    drop
  }}
  chain nat_out {{
    type nat hook output priority -100; policy accept;
    meta mark {0:#x} return
    udp dport 53 redirect to :{2}
{3}    meta l4proto tcp ip daddr . tcp dport @refused4 redirect to :{5}
    meta l4proto tcp ip6 daddr . tcp dport @refused6 redirect to :{5}
    meta l4proto tcp ip daddr . tcp dport @deps4 redirect to :{4}
    meta l4proto tcp ip6 daddr . tcp dport @deps6 redirect to :{4}
    ip daddr @local4 return
    ip6 daddr @local6 return
    meta l4proto tcp redirect to :{4}
    meta l4proto udp redirect to :{5}
  }}
}}
)",
                     kMark, udp_accept, kDnsPort, udp_nat, kTcpPort, kClosedPort);
  return out;
}

std::string nft_refused(const std::vector<Address>& refused) {
  std::string out = "flush set inet reprise refused4\nflush set inet reprise refused6\n";
  for (const auto family : {Address::kIp4, Address::kIp6}) {
    const std::string items = elements(refused, family);
    if (!items.empty())
      out += fmt::format("add element inet reprise refused{} {{ {} }}\n",
                         family == Address::kIp4 ? 4 : 6, items);
  }
  return out;
}

std::vector<Leak> parse_leaks(const std::string& listing) {
  std::vector<Leak> out;
  std::string set;
  std::istringstream words(listing);
  std::string word, before, ip;
  bool inside = false;
  // "set leak_udp4 { ... elements = { 8.8.8.8 . 123, 1.1.1.1 . 5 } }"
  while (words >> word) {
    if (before == "set") set = word, inside = false;
    if (word == "elements") inside = set.starts_with("leak_");
    if (inside && before == "." && !ip.empty()) {
      const bool udp = set.starts_with("leak_udp");
      std::string value = word;
      while (!value.empty() && (value.back() == ',' || value.back() == '}')) value.pop_back();
      auto a = ip_address(ip, udp ? static_cast<uint16_t>(std::atoi(value.c_str())) : 0);
      if (value == "1" || value == "58") value = "icmp";
      if (a) out.push_back({*a, udp ? "udp" : value});
      ip.clear();
    }
    if (inside && word == ".") ip = before;
    if (word == "}") inside = false;
    before = word;
  }
  return out;
}

}  // namespace reprise::sandbox
