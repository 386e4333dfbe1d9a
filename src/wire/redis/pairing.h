// Which reply belongs to which command of one connection.
#pragma once

#include <array>
#include <deque>
#include <string>
#include <vector>

#include "wire/message.h"

namespace reprise::wire::redis {

class Pairing {
 public:
  struct Place {
    Role role = Role::kPush;
    uint64_t exchange = 0;
  };
  // A command, in order. verb as verb_of() gives it.
  Place command(const std::string& verb, const std::vector<Bytes>& words);
  // A reply, in order; the bytes may be a beginning.
  Place reply(ByteView bytes);
  // The next reply opens a replication stream, which is not RESP.
  bool replication_next() const;

 private:
  enum class Kind : uint8_t { kPlain, kSubscribe, kMonitor, kHello, kReset, kReplication };
  struct Pending {
    uint64_t exchange = 0;
    Kind kind = Kind::kPlain;
    std::string verb;   // of the subscribe family, lower case
    uint64_t left = 1;  // confirmations to come; 0: as many as there are subscriptions
  };
  Place answer();
  bool is_confirmation(ByteView kind) const;
  Place confirmation(ByteView kind, ByteView total);

  std::deque<Pending> pending_;
  uint64_t exchange_ = 0;
  std::array<uint64_t, 3> subscribed_{};  // channels, patterns, shard channels
  bool resp3_ = false;
  bool monitor_ = false;
  bool reply_off_ = false;
  bool skip_next_ = false;
};

}  // namespace reprise::wire::redis
