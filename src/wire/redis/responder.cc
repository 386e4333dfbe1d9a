#include "wire/redis/responder.h"

#include <algorithm>

#include "wire/redis/resp.h"

namespace reprise::wire::redis {

namespace {

constexpr std::string_view kOk = "+OK\r\n";

// Logins, heartbeats and session set-up, as a server without a password answers them.
class RedisResponder : public Responder {
 public:
  std::optional<Result<Bytes>> template_answer(const Message& live, ByteView recorded) override {
    const std::string& verb = live.operation.verb;
    const std::vector<Bytes> words = parse_command(live.bytes);
    if (verb == "PING") return ping(words);
    if (verb == "ECHO" && words.size() == 2) return bulk(words[1]);
    if (verb == "AUTH") return Bytes(kOk);
    if (verb == "HELLO") return hello(words, recorded);
    if (verb == "SUBSCRIBE" || verb == "PSUBSCRIBE" || verb == "SSUBSCRIBE") subscribed_ = true;
    if (verb == "RESET") {
      subscribed_ = false;
      protocol_ = 2;
      return Bytes("+RESET\r\n");
    }
    if (live.operation.tier != Tier::kSetup) return std::nullopt;
    if (!recorded.empty()) return Bytes(recorded);
    if (verb == "CLIENT ID") return Bytes(":1\r\n");
    if (verb == "COMMAND" || verb == "COMMAND DOCS") {
      return Bytes(protocol_ == 3 && verb == "COMMAND DOCS" ? "%0\r\n" : "*0\r\n");
    }
    constexpr std::string_view kPlain[] = {
        "SELECT",         "READONLY",       "READWRITE",       "ASKING",          "QUIT",
        "CLIENT SETNAME", "CLIENT SETINFO", "CLIENT NO-EVICT", "CLIENT TRACKING", "CLIENT NO-TOUCH",
        "CLIENT CACHING", "CLIENT REPLY"};
    if (std::find(std::begin(kPlain), std::end(kPlain), verb) != std::end(kPlain))
      return Bytes(kOk);
    return std::nullopt;
  }

  Bytes error(const Message&, std::string_view explanation) override {
    std::string line = printable(explanation, 1000);
    return "-ERR reprise: " + line + "\r\n";
  }

 private:
  static Bytes bulk(ByteView text) {
    Bytes out;
    put_bulk(out, text);
    return out;
  }

  Bytes ping(const std::vector<Bytes>& words) const {
    const Bytes text = words.size() > 1 ? words[1] : Bytes();
    // A RESP2 client that is subscribed reads arrays only.
    if (subscribed_ && protocol_ == 2) return "*2\r\n$4\r\npong\r\n" + bulk(text);
    return words.size() > 1 ? bulk(text) : Bytes("+PONG\r\n");
  }

  Bytes hello(const std::vector<Bytes>& words, ByteView recorded) {
    const std::string asked = words.size() > 1 ? words[1] : std::to_string(protocol_);
    if (asked != "2" && asked != "3") return "-NOPROTO unsupported protocol version\r\n";
    const bool refused = recorded.starts_with("-NOAUTH") || recorded.starts_with("-WRONGPASS");
    const bool fits = recorded.starts_with(asked == "3" ? '%' : '*') ||
                      (recorded.starts_with('-') && !refused);  // a server before Redis 6
    if (!recorded.starts_with('-')) protocol_ = asked == "3" ? 3 : 2;
    if (!recorded.empty() && fits) return Bytes(recorded);
    protocol_ = asked == "3" ? 3 : 2;
    Bytes out = asked == "3" ? "%7\r\n" : "*14\r\n";
    out += "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n$5\r\nproto\r\n:";
    out += asked + "\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n";
    out += "$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
    return out;
  }

  int protocol_ = 2;
  bool subscribed_ = false;
};

}  // namespace

std::unique_ptr<Responder> make_responder() { return std::make_unique<RedisResponder>(); }

}  // namespace reprise::wire::redis
