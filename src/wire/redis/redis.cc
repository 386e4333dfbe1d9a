#include "wire/redis/redis.h"

#include <algorithm>

#include "wire/message_builder.h"
#include "wire/redis/commands.h"
#include "wire/redis/describe.h"
#include "wire/redis/pairing.h"
#include "wire/redis/responder.h"

namespace reprise::wire {

namespace {

using redis::Framer;
using State = Framer::State;

class RedisCodec : public Codec {
 public:
  explicit RedisCodec(const CodecOptions& options)
      : request_(Dir::kRequest, options), reply_(Dir::kResponse, options) {}

  void feed(Dir dir, ByteView bytes, int64_t at_ns, std::vector<Message>& out) override {
    Side& side = side_of(dir);
    while (!bytes.empty() && !side.dead) {
      if (dir == Dir::kResponse && side.builder.empty() && pairing_.replication_next()) {
        return set_fault(side, dir, side.builder.position(), "replication stream");
      }
      const size_t used = side.framer.consume(bytes);
      if (side.lost) {
        side.builder.skip(used);
      } else {
        side.builder.add(bytes.substr(0, used), at_ns);
      }
      bytes.remove_prefix(used);
      if (side.framer.state() == State::kFault) {
        const uint64_t begin = side.builder.position() - side.builder.length();
        return set_fault(side, dir, begin, side.framer.reason());
      }
      if (side.framer.state() == State::kDone) unit_done(side, dir, out);
    }
  }

  void finish(Dir dir, int64_t, std::vector<Message>& out) override {
    Side& side = side_of(dir);
    if (side.dead) return;
    side.dead = true;
    if (side.in_unit()) emit(side, dir, true, out);
  }

  // A loss inside a bulk string keeps the framing; any other one could hide whole commands.
  void gap(Dir dir, uint64_t length, int64_t, std::vector<Message>& out) override {
    Side& side = side_of(dir);
    if (side.dead || length == 0) return;
    const uint64_t at = side.builder.position();
    const bool known = side.framer.skip(length);
    if (side.in_unit()) emit(side, dir, true, out);
    if (!known) return set_fault(side, dir, at, "bytes lost outside a bulk string");
    side.lost = true;
    side.builder.skip(length);
  }

  const std::optional<Fault>& fault() const override { return fault_; }

 private:
  struct Side {
    Side(Dir dir, const CodecOptions& options)
        : framer(dir == Dir::kRequest), builder(dir, options.message_limit) {}
    bool in_unit() const { return !lost && builder.length() > filler; }
    Framer framer;
    MessageBuilder builder;
    uint64_t filler = 0;  // bytes of empty units at the start of the message in flight
    bool lost = false;    // the unit in flight was emitted at a gap; its rest is passed over
    bool dead = false;
  };

  Side& side_of(Dir dir) { return dir == Dir::kRequest ? request_ : reply_; }

  void set_fault(Side& side, Dir dir, uint64_t offset, const char* reason) {
    side.dead = true;
    if (!fault_) fault_ = Fault{dir, offset, reason};
  }

  void unit_done(Side& side, Dir dir, std::vector<Message>& out) {
    const bool nothing = side.framer.nothing();
    side.framer.restart();
    if (side.lost) {
      side.lost = false;
    } else if (nothing) {
      side.filler = side.builder.length();
    } else {
      emit(side, dir, false, out);
    }
  }

  void emit(Side& side, Dir dir, bool incomplete, std::vector<Message>& out) {
    side.filler = 0;
    redis::Pairing::Place place;
    Operation operation;
    if (dir == Dir::kRequest) {
      const std::vector<Bytes> words = redis::parse_command(side.builder.bytes());
      operation = redis::describe_command(words);
      place = pairing_.command(operation.verb, words);
    } else {
      place = pairing_.reply(side.builder.bytes());
    }
    Message m = side.builder.take(place.role, place.exchange);
    m.incomplete = incomplete;
    m.operation = std::move(operation);
    out.push_back(std::move(m));
  }

  Side request_;
  Side reply_;
  redis::Pairing pairing_;
  std::optional<Fault> fault_;
};

Likelihood detect_command(ByteView client) {
  if (client[0] == '*') {
    const size_t lf = client.find('\n');
    const ByteView count = client.substr(1, lf == ByteView::npos ? lf : lf - 1);
    const size_t digits = std::min(count.find_first_not_of("0123456789"), count.size());
    if (digits > 7 || (digits == 0 && !count.empty())) return Likelihood::kNo;
    const ByteView end = count.substr(digits);
    if (lf == ByteView::npos)
      return end.empty() || end == "\r" ? Likelihood::kNeedMore : Likelihood::kNo;
    if (end != "\r" || digits == 0) return Likelihood::kNo;
    if (lf + 1 == client.size()) return Likelihood::kNeedMore;
    return client[lf + 1] == '$' ? Likelihood::kYes : Likelihood::kNo;
  }
  const size_t lf = client.find('\n');
  const ByteView line = client.substr(0, lf);
  const size_t end = line.find_first_of(" \r");
  std::string word(line.substr(0, std::min<size_t>(end, 32)));
  const bool letters = std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
  if (!letters || word.empty() || word.size() > 20 || line.size() > redis::kMaxInline) {
    return Likelihood::kNo;
  }
  if (lf == ByteView::npos) return Likelihood::kNeedMore;
  for (char& c : word) c = c >= 'a' ? char(c - 'a' + 'A') : c;
  const bool http = line.find(" HTTP/1.") != ByteView::npos;
  return !http && redis::find_command(word) != nullptr ? Likelihood::kYes : Likelihood::kNo;
}

Likelihood detect(const Prefix& prefix) {
  if (!prefix.server.empty() &&
      ByteView("+-:$*_#,(=!%~>|").find(prefix.server[0]) == ByteView::npos) {
    return Likelihood::kNo;
  }
  if (!prefix.client.empty()) return detect_command(prefix.client);
  // A server that speaks first refuses: "-DENIED ...", "-ERR max number of clients reached".
  if (prefix.server.empty()) return Likelihood::kNeedMore;
  return prefix.server[0] == '-' ? Likelihood::kNeedMore : Likelihood::kNo;
}

}  // namespace

ProtocolEntry redis_entry() {
  return {Protocol::kRedis, detect,
          [](const CodecOptions& o) -> std::unique_ptr<Codec> {
            return std::make_unique<RedisCodec>(o);
          },
          redis::make_responder, redis::describe_reply};
}

}  // namespace reprise::wire
