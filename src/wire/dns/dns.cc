#include "wire/dns/dns.h"

#include "wire/raw/raw.h"

namespace reprise::wire {

ProtocolEntry dns_entry() {
  ProtocolEntry e = raw_entry();
  e.protocol = Protocol::kDns;
  e.detect = [](const Prefix&) { return Likelihood::kNo; };
  return e;
}

}  // namespace reprise::wire
