#include "wire/tls/tls.h"

#include "wire/raw/raw.h"

namespace reprise::wire {

ProtocolEntry tls_entry() {
  ProtocolEntry e = raw_entry();
  e.protocol = Protocol::kTls;
  e.detect = [](const Prefix&) { return Likelihood::kNo; };
  return e;
}

}  // namespace reprise::wire
