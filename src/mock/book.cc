#include "mock/book.h"

#include <netdb.h>

#include <algorithm>

#include "wire/dns/dns.h"

namespace reprise::mock {

using session::Call;
using session::CallKind;

void Book::add(const Call& call) {
  if (call.protocol == wire::Protocol::kDns && call.answered) {
    // A resolver of the subject's own: the names that it learnt are answered by address.
    if (const auto packet = wire::dns::parse(call.answer); packet && !packet->questions.empty()) {
      const int32_t result = packet->rcode == wire::dns::kNoError    ? 0
                             : packet->rcode == wire::dns::kServFail ? EAI_AGAIN
                                                                     : EAI_NONAME;
      session::Resolution r{packet->questions[0].name, result, {}};
      for (const wire::dns::Resource& a : packet->answers) {
        if (auto ip = ip_address(a.data, 0)) r.addresses.push_back(std::move(*ip));
      }
      add(r);
    }
    return;
  }
  Dependency& d = dependencies_[call.peer];
  d.address = call.peer;
  d.transport = call.transport;
  if (call.kind == CallKind::kFailedConnect) {
    ++d.refused;
    return;
  }
  ++d.calls;
  if (call.kind == CallKind::kOpaque || call.protocol == wire::Protocol::kTls) d.opaque = true;
  // A stream that lost its framing half-way is raw from there; the protocol is what it began as.
  if (d.protocol == wire::Protocol::kUnknown || d.protocol == wire::Protocol::kRaw) {
    d.protocol = call.protocol;
  }
  if (call.kind == CallKind::kGreeting) {
    d.greets = true;
    d.greeting = call.answer;
  } else if (call.operation.tier == wire::Tier::kHandshake && call.answered) {
    d.handshakes[call.operation.verb] = call.answer;
    if (call.answer.size() > d.login.size()) d.login = call.answer;
  }
}

void Book::add(const session::Resolution& name) {
  session::Resolution& known = names_[ascii_lower(name.name)];
  known.name = name.name;
  known.result = known.addresses.empty() ? name.result : 0;
  for (const Address& a : name.addresses) {
    if (std::find(known.addresses.begin(), known.addresses.end(), a) == known.addresses.end()) {
      known.addresses.push_back(a);
      known.result = 0;
    }
  }
}

const Dependency* Book::find(const Address& address) const {
  const auto it = dependencies_.find(address);
  return it == dependencies_.end() ? nullptr : &it->second;
}

const session::Resolution* Book::resolve(std::string_view name) const {
  const auto it = names_.find(ascii_lower(name));
  return it == names_.end() ? nullptr : &it->second;
}

}  // namespace reprise::mock
