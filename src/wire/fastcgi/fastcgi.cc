#include "wire/fastcgi/fastcgi.h"

#include "wire/raw/raw.h"

namespace reprise::wire {

ProtocolEntry fastcgi_entry() {
  ProtocolEntry e = raw_entry();
  e.protocol = Protocol::kFastcgi;
  e.detect = [](const Prefix&) { return Likelihood::kNo; };
  return e;
}

}  // namespace reprise::wire
