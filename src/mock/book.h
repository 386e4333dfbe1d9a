// What the mock knows of the dependencies of a recording, before any session runs: who they are, what
// they speak, how they greet and log in, which names led to them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "mock/matcher.h"
#include "session/model.h"

namespace reprise::mock {

struct Dependency {
  Address address;
  session::Transport transport = session::Transport::kTcp;
  wire::Protocol protocol = wire::Protocol::kUnknown;
  bool greets = false;
  Bytes greeting;                            // the last one recorded
  std::map<std::string, Bytes> handshakes;   // by verb: the last recorded answer
  Bytes login;                               // the longest handshake answer: parameters and all
  uint64_t calls = 0;
  uint64_t refused = 0;  // connects that failed in the recording
  bool opaque = false;   // TLS: recorded, but not as plaintext
};

class Book {
 public:
  void add(const session::Call& call);
  void add(const session::Resolution& name);

  const Dependency* find(const Address& address) const;
  const std::map<Address, Dependency>& dependencies() const { return dependencies_; }
  // Every recorded meaning of a name, merged; null if the subject never asked for it.
  const session::Resolution* resolve(std::string_view name) const;

 private:
  std::map<Address, Dependency> dependencies_;
  std::map<std::string, session::Resolution> names_;
};

}  // namespace reprise::mock
