#include "wire/registry.h"

#include <array>

#include "wire/dns/dns.h"
#include "wire/fastcgi/fastcgi.h"
#include "wire/http1/http1.h"
#include "wire/mysql/mysql.h"
#include "wire/postgres/postgres.h"
#include "wire/raw/raw.h"
#include "wire/redis/redis.h"
#include "wire/tls/tls.h"

namespace reprise::wire {

namespace {
constexpr size_t kDecideBy = 64 << 10;

const std::array<ProtocolEntry, 8>& table() {
  static const std::array<ProtocolEntry, 8> entries = {
      tls_entry(),   http1_entry(),    fastcgi_entry(), redis_entry(),
      mysql_entry(), postgres_entry(), dns_entry(),     raw_entry(),
  };
  return entries;
}

constexpr const char* kNames[] = {"unknown", "raw",      "http1", "fastcgi", "redis",
                                  "mysql",   "postgres", "dns",   "tls"};
}  // namespace

const char* name(Protocol p) { return kNames[static_cast<size_t>(p)]; }

Protocol protocol_by_name(std::string_view wanted) {
  for (size_t i = 1; i < std::size(kNames); ++i) {
    if (wanted == kNames[i]) return static_cast<Protocol>(i);
  }
  return Protocol::kUnknown;
}

std::span<const ProtocolEntry> all_protocols() { return table(); }

const ProtocolEntry& entry(Protocol p) {
  for (const ProtocolEntry& e : table()) {
    if (e.protocol == p) return e;
  }
  return table().back();
}

Detection detect(const Prefix& prefix) {
  bool more = false;
  Detection maybe;
  for (const ProtocolEntry& e : table()) {
    switch (e.detect(prefix)) {
      case Likelihood::kYes: return {e.protocol, Likelihood::kYes};
      case Likelihood::kMaybe:
        if (maybe.protocol == Protocol::kUnknown) maybe = {e.protocol, Likelihood::kMaybe};
        break;
      case Likelihood::kNeedMore: more = true; break;
      case Likelihood::kNo: break;
    }
  }
  if (more && prefix.client.size() < kDecideBy && prefix.server.size() < kDecideBy) return {};
  return maybe.protocol != Protocol::kUnknown ? maybe
                                              : Detection{Protocol::kRaw, Likelihood::kMaybe};
}

}  // namespace reprise::wire
