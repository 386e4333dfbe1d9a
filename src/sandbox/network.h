// The network inside a stage: only lo, on which every address is local.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "sandbox/stage.h"

namespace reprise::sandbox {

// Mock sockets and rules. The ports are above the ephemeral range and reserved inside.
inline constexpr uint16_t kClosedPort = 64900;  // nothing ever listens there
inline constexpr uint16_t kTcpPort = 64901;
inline constexpr uint16_t kDnsPort = 64902;
inline constexpr uint16_t kUdpPort = 64910;    // and one more for each recorded UDP dependency
inline constexpr uint32_t kMark = 0x52505253;  // "RPRS": the driver's packets, never redirected
inline constexpr size_t kMaxUdpDependencies = 200;

// In the current network namespace: lo up, addresses, local default routes, sysctls. A sysctl or
// IPv6 that the kernel refuses becomes a note.
Status set_up_network(const StageConfig& config, std::vector<std::string>& notes);

// The nftables script for `nft -f -`.
std::string nft_rules(const StageConfig& config);
// Replaces the reject set. Costs 10 ms, nearly all of it a grace period that the kernel waits at
// any change of a table: talking to it without nft saved 1 ms (measured), so nft does it.
std::string nft_refused(const std::vector<Address>& refused);
// Reads what `nft -n list table` prints of the leak sets.
std::vector<Leak> parse_leaks(const std::string& listing);

// A file of /proc/net. Only sockets that listen; without the mock's.
// `inodes`: only these sockets; null: all.
using Inodes = std::set<uint64_t>;
std::vector<Address> parse_proc_tcp(const std::string& text, bool v6,
                                    const Inodes* inodes = nullptr);
std::vector<Address> parse_proc_unix(const std::string& text, const Inodes* inodes = nullptr);

}  // namespace reprise::sandbox
