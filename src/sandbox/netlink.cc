// Addresses and routes by rtnetlink, so that no tool is needed for them.
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/file.h"
#include "sandbox/network.h"

namespace reprise::sandbox {
namespace {

constexpr int kLo = 1;  // the index of lo in a new network namespace

// One request and its acknowledgement.
class Request {
 public:
  Request(uint16_t type, const void* body, size_t size) {
    auto* h = header();
    h->nlmsg_type = type;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    h->nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(size));
    std::memcpy(NLMSG_DATA(h), body, size);
  }
  void attribute(uint16_t type, const void* data, size_t size) {
    auto* h = header();
    auto* a = reinterpret_cast<rtattr*>(buffer_ + NLMSG_ALIGN(h->nlmsg_len));
    a->rta_type = type;
    a->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
    std::memcpy(RTA_DATA(a), data, size);
    h->nlmsg_len = static_cast<uint32_t>(NLMSG_ALIGN(h->nlmsg_len) + RTA_ALIGN(a->rta_len));
  }
  // 0 or a negative errno.
  int run(int socket) {
    if (send(socket, buffer_, header()->nlmsg_len, 0) < 0) return -errno;
    alignas(nlmsghdr) char answer[1024];
    const ssize_t n = recv(socket, answer, sizeof answer, 0);
    if (n < 0) return -errno;
    auto* h = reinterpret_cast<nlmsghdr*>(answer);
    if (static_cast<size_t>(n) < NLMSG_LENGTH(sizeof(nlmsgerr)) || h->nlmsg_type != NLMSG_ERROR)
      return -EBADMSG;
    return static_cast<nlmsgerr*>(NLMSG_DATA(h))->error;
  }

 private:
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_); }
  alignas(nlmsghdr) char buffer_[256] = {};
};

struct Ip {
  int family;
  unsigned char bytes[16];
  size_t size() const { return family == AF_INET ? 4 : 16; }
};

Result<Ip> parse_ip(const std::string& text) {
  Ip ip{AF_INET, {}};
  if (inet_pton(AF_INET, text.c_str(), ip.bytes) == 1) return ip;
  ip.family = AF_INET6;
  if (inet_pton(AF_INET6, text.c_str(), ip.bytes) == 1) return ip;
  return fail(fmt::format("not an IP address: '{}'", text));
}

int add_address(int socket, const Ip& ip) {
  ifaddrmsg body{};
  body.ifa_family = static_cast<uint8_t>(ip.family);
  body.ifa_prefixlen = static_cast<uint8_t>(ip.size() * 8);
  body.ifa_flags = IFA_F_NODAD | IFA_F_PERMANENT;
  body.ifa_index = kLo;
  Request r(RTM_NEWADDR, &body, sizeof body);
  r.attribute(IFA_LOCAL, ip.bytes, ip.size());
  r.attribute(IFA_ADDRESS, ip.bytes, ip.size());
  return r.run(socket);
}

// "local default dev lo src IP": any address has a route, and is one of ours.
int add_any_route(int socket, const Ip& source) {
  rtmsg body{};
  body.rtm_family = static_cast<uint8_t>(source.family);
  body.rtm_table = RT_TABLE_LOCAL;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_scope = source.family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_LOCAL;
  Request r(RTM_NEWROUTE, &body, sizeof body);
  r.attribute(RTA_OIF, &kLo, sizeof kLo);
  r.attribute(RTA_PREFSRC, source.bytes, source.size());
  return r.run(socket);
}

bool write_sysctl(const char* name, const char* value) {
  std::ofstream file(std::string("/proc/sys/net/") + name);
  file << value;
  file.flush();
  return file.good();
}

}  // namespace

Status set_up_network(const StageConfig& config, std::vector<std::string>& notes) {
  const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq lo{};
  std::strcpy(lo.ifr_name, "lo");
  lo.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
  if (!any || ioctl(any.get(), SIOCSIFFLAGS, &lo) != 0) return fail_errno("stage: lo up");

  const Fd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink) return fail_errno("stage: netlink");
  const timeval limit{2, 0};
  setsockopt(netlink.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);

  // Without a non-loopback address glibc's AI_ADDRCONFIG drops every answer, so IPv4 always gets
  // one (TEST-NET-1). IPv6 gets one only if the recorded machine had one: the subject then resolves
  // the same families as it did.
  std::vector<std::string> ips = config.local_ips;
  std::optional<Ip> source4, source6;
  const auto pick_sources = [&] {
    for (const std::string& text : ips) {
      auto address = ip_address(text, 0);
      auto ip = parse_ip(text);
      if (!address || !ip || address->is_loopback() || address->is_any()) continue;
      auto& source = ip->family == AF_INET ? source4 : source6;
      if (!source) source = *ip;
    }
  };
  pick_sources();
  if (!source4) ips.emplace_back("192.0.2.1"), pick_sources();
  if (!source6) source6 = *parse_ip("::1");

  for (const std::string& text : ips) {
    auto ip = parse_ip(text);
    auto address = ip_address(text, 0);
    if (!ip || !address || address->is_loopback() || address->is_any()) continue;
    if (const int error = add_address(netlink.get(), *ip); error != 0 && error != -EEXIST)
      notes.push_back(fmt::format("address {} is not on lo: {}", text, std::strerror(-error)));
  }
  if (const int error = add_any_route(netlink.get(), *source4); error != 0)
    return fail(fmt::format("stage: local default route: {}", std::strerror(-error)));
  if (const int error = add_any_route(netlink.get(), *source6); error != 0)
    notes.push_back(fmt::format("no IPv6 inside: {}", std::strerror(-error)));

  for (const auto& [name, value] : {std::pair("ipv4/ip_unprivileged_port_start", "0"),
                                    {"ipv4/ip_nonlocal_bind", "1"},
                                    {"ipv6/ip_nonlocal_bind", "1"},
                                    {"ipv4/ip_local_reserved_ports", "64900-65110"}}) {
    if (!write_sysctl(name, value))
      notes.push_back(fmt::format("net/{} cannot be set inside: {}", name, std::strerror(errno)));
  }
  // A replay opens and closes connections fast; short memories keep the tables small. Not the
  // half-closed states: forgetting those would break a slow answer. Kernels that keep these from
  // user namespaces only cost memory, so that is no note.
  for (const char* name : {"time_wait", "close", "last_ack"})
    write_sysctl(fmt::format("netfilter/nf_conntrack_tcp_timeout_{}", name).c_str(), "2");
  return {};
}

}  // namespace reprise::sandbox
