#include "wire/fastcgi/fastcgi.h"

#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>

#include "wire/fastcgi/describe.h"
#include "wire/fastcgi/records.h"
#include "wire/message_builder.h"

namespace reprise::wire {

namespace {

using namespace fastcgi;

// Requests in flight in one direction. No server multiplexes more; it bounds what is kept.
constexpr size_t kMaxInFlight = 256;
constexpr size_t kMaxPending = 64;  // answers to come for one request id

class FastcgiCodec : public Codec {
 public:
  explicit FastcgiCodec(const CodecOptions& options) : options_(options) {}

  void feed(Dir dir, ByteView bytes, int64_t at_ns, std::vector<Message>& out) override {
    Side& side = side_of(dir);
    while (!bytes.empty() && !side.dead) {
      if (side.header.size() < kHeaderSize) {
        if (side.header.empty()) side.header_ns = at_ns;
        const size_t n = std::min(kHeaderSize - side.header.size(), bytes.size());
        side.header.append(bytes.substr(0, n));
        side.position += n;
        bytes.remove_prefix(n);
        if (side.header.size() == kHeaderSize) open_record(side, dir, at_ns, out);
      } else {
        const size_t n = size_t(std::min<uint64_t>(side.left, bytes.size()));
        side.left -= n;
        side.position += n;
        add(side, bytes.substr(0, n), at_ns);
        bytes.remove_prefix(n);
      }
      if (side.header.size() == kHeaderSize && side.left == 0 && !side.dead)
        close_record(side, dir, out);
    }
  }

  void finish(Dir dir, int64_t at_ns, std::vector<Message>& out) override {
    Side& side = side_of(dir);
    if (side.dead) return;
    if (!side.header.empty() && side.header.size() < kHeaderSize) {
      MessageBuilder cut(dir, options_.message_limit);
      cut.skip(side.position - side.header.size());
      cut.add(side.header, at_ns);
      out.push_back(cut.take(dir == Dir::kRequest ? Role::kOneWay : Role::kPush, ++exchange_));
      out.back().incomplete = true;
    }
    flush(side, dir, out);
    side.dead = true;
  }

  // A loss inside one record costs the request it belongs to; any other one could hide whole
  // requests.
  void gap(Dir dir, uint64_t length, int64_t, std::vector<Message>& out) override {
    Side& side = side_of(dir);
    if (side.dead || length == 0) return;
    const uint64_t at = side.position;
    if (side.header.size() < kHeaderSize || length > side.left) {
      return fail(side, dir, at, "bytes lost outside a record", out);
    }
    side.left -= length;
    const auto it = side.in_flight.find(side.id());
    if (it != side.in_flight.end() && !it->second.lost) {
      emit(dir, it->second, true, out);
      it->second.lost = true;
    }
    side.position += length;
    if (side.left == 0) close_record(side, dir, out);
  }

  const std::optional<Fault>& fault() const override { return fault_; }

 private:
  struct Part {  // of one message in flight
    explicit Part(Dir dir, const CodecOptions& o) : builder(dir, o.message_limit) {}
    MessageBuilder builder;
    uint64_t exchange = 0;
    uint64_t end = 0;  // behind its last byte; the builder knows only its own bytes
    uint16_t role = 0;
    bool stray = false;  // belongs to no request
    bool lost = false;   // emitted at a gap; its rest is passed over
  };
  struct Side {
    Bytes header;  // of the record in flight
    int64_t header_ns = 0;
    uint64_t left = 0;  // of its content and padding
    uint64_t position = 0;
    Bytes content;  // its first two bytes
    bool dead = false;
    std::map<uint16_t, Part> in_flight;  // by request id; 0 is management
    uint8_t type() const { return u8(header, 1); }
    uint16_t id() const { return be16(header, 2); }
    uint16_t length() const { return be16(header, 4); }
  };

  Side& side_of(Dir dir) { return dir == Dir::kRequest ? request_ : answer_; }

  void fail(Side& side, Dir dir, uint64_t offset, const char* reason, std::vector<Message>& out) {
    flush(side, dir, out);
    side.dead = true;
    if (!fault_) fault_ = Fault{dir, offset, reason};
  }

  // All that is in flight, incomplete, oldest first.
  void flush(Side& side, Dir dir, std::vector<Message>& out) {
    std::vector<Message> cut;
    for (auto& [id, part] : side.in_flight) {
      if (!part.lost) emit(dir, part, true, cut);
    }
    std::sort(cut.begin(), cut.end(),
              [](const Message& a, const Message& b) { return a.begin < b.begin; });
    std::move(cut.begin(), cut.end(), std::back_inserter(out));
    side.in_flight.clear();
  }

  static const char* problem(const Side& side, Dir dir) {
    if (side.header[0] != 1) return "not FastCGI version 1";
    const uint8_t type = side.type();
    const bool asks = type == kBeginRequest || type == kAbortRequest || type == kParams ||
                      type == kStdin || type == kData || type == kGetValues;
    const bool answers = type == kEndRequest || type == kStdout || type == kStderr ||
                         type == kGetValuesResult || type == kUnknownType;
    if (dir == Dir::kRequest ? !asks : !answers) return "bad FastCGI record type";
    const bool management = type == kGetValues || type == kGetValuesResult || type == kUnknownType;
    if (management != (side.id() == 0)) return "bad FastCGI request id";
    if (type == kBeginRequest && side.length() != 8) return "bad BEGIN_REQUEST";
    return nullptr;
  }

  void open_record(Side& side, Dir dir, int64_t at_ns, std::vector<Message>& out) {
    const uint64_t begin = side.position - kHeaderSize;
    if (const char* reason = problem(side, dir)) return fail(side, dir, begin, reason, out);
    side.left = side.length() + u8(side.header, 6);
    side.content.clear();
    auto it = side.in_flight.find(side.id());
    if (it != side.in_flight.end() && side.type() == kBeginRequest) {
      // The server ended the request early and the client does not send its rest.
      if (is_pending(side.id(), it->second.exchange)) {
        return fail(side, dir, begin, "request id begun twice", out);
      }
      if (!it->second.lost) emit(dir, it->second, true, out);
      side.in_flight.erase(it);
      it = side.in_flight.end();
    }
    if (it == side.in_flight.end()) {
      if (side.in_flight.size() >= kMaxInFlight)
        return fail(side, dir, begin, "too many requests", out);
      it = side.in_flight.emplace(side.id(), Part(dir, options_)).first;
      it->second.builder.skip(begin);
      open_part(side, dir, it->second);
    }
    add(side, ByteView(side.header).substr(0, 1), side.header_ns);
    add(side, ByteView(side.header).substr(1), at_ns);
    side.content.clear();
  }

  void open_part(const Side& side, Dir dir, Part& part) {
    if (dir == Dir::kRequest) {
      part.exchange = ++exchange_;
      part.stray = side.type() != kBeginRequest && side.type() != kGetValues;
      if (side.type() == kBeginRequest) {
        std::vector<uint64_t>& waiting = pending_[side.id()];
        if (waiting.size() >= kMaxPending) waiting.erase(waiting.begin());
        waiting.push_back(part.exchange);
      } else if (side.type() == kGetValues) {
        if (asked_values_.size() >= kMaxPending) asked_values_.pop_front();
        asked_values_.push_back(part.exchange);
      }
    } else if (side.id() == 0) {
      part.stray = asked_values_.empty();
      part.exchange = part.stray ? ++exchange_ : asked_values_.front();
      if (!part.stray) asked_values_.pop_front();
    } else {
      const auto it = pending_.find(side.id());
      part.stray = it == pending_.end();
      part.exchange = part.stray ? ++exchange_ : it->second.front();
    }
  }

  void add(Side& side, ByteView bytes, int64_t at_ns) {
    if (side.content.size() < 2) side.content.append(bytes.substr(0, 2 - side.content.size()));
    Part& part = side.in_flight.at(side.id());
    if (part.lost) return;
    part.builder.add(bytes, at_ns);
    part.end = side.position;
  }

  void close_record(Side& side, Dir dir, std::vector<Message>& out) {
    const auto it = side.in_flight.find(side.id());
    Part& part = it->second;
    const uint8_t type = side.type();
    if (type == kBeginRequest && side.content.size() == 2) part.role = be16(side.content, 0);
    const bool end_of_stream = side.length() == 0;
    bool done = false;
    if (dir == Dir::kResponse) {
      done = type == kEndRequest || side.id() == 0;
      if (type == kEndRequest && !part.stray) answered(side.id());
    } else {
      done = type == kGetValues || type == kAbortRequest || part.stray ||
             (type == kParams && end_of_stream && part.role == kAuthorizer) ||
             (type == kStdin && end_of_stream && part.role != kFilter) ||
             (type == kData && end_of_stream);
    }
    side.header.clear();
    if (!done) return;
    const bool aborted = type == kAbortRequest && !part.stray;
    if (!part.lost) emit(dir, part, aborted, out);
    side.in_flight.erase(it);
  }

  bool is_pending(uint16_t id, uint64_t exchange) const {
    const auto it = pending_.find(id);
    return it != pending_.end() &&
           std::find(it->second.begin(), it->second.end(), exchange) != it->second.end();
  }
  void answered(uint16_t id) {
    const auto it = pending_.find(id);
    if (it == pending_.end()) return;
    it->second.erase(it->second.begin());
    if (it->second.empty()) pending_.erase(it);
  }

  void emit(Dir dir, Part& part, bool incomplete, std::vector<Message>& out) {
    const bool request = dir == Dir::kRequest;
    const Role role = part.stray ? (request ? Role::kOneWay : Role::kPush)
                                 : (request ? Role::kRequest : Role::kAnswer);
    Message m = part.builder.take(role, part.exchange);
    m.end = part.end;
    m.incomplete = incomplete;
    if (request) m.operation = describe_request(m.bytes);
    out.push_back(std::move(m));
  }

  CodecOptions options_;
  Side request_;
  Side answer_;
  std::unordered_map<uint16_t, std::vector<uint64_t>> pending_;  // by request id: exchanges
  std::deque<uint64_t> asked_values_;                            // exchanges of GET_VALUES
  uint64_t exchange_ = 0;
  std::optional<Fault> fault_;
};

class FastcgiResponder : public Responder {
 public:
  std::optional<Result<Bytes>> template_answer(const Message& live, ByteView recorded) override {
    ByteView rest = live.bytes;
    Record record;
    if (!next_record(rest, record) || record.type != kGetValues) return std::nullopt;
    if (!recorded.empty()) return Bytes(recorded);
    Bytes values;
    for (const auto& [name, value] : parse_pairs(record.content)) {
      if (name == "FCGI_MPXS_CONNS") put_pair(values, name, "1");
      if (name == "FCGI_MAX_CONNS" || name == "FCGI_MAX_REQS") put_pair(values, name, "256");
    }
    Bytes out;
    put_record(out, kGetValuesResult, 0, values);
    return out;
  }

  Result<Bytes> adapt(const Message& live, ByteView, ByteView recorded_answer) override {
    return with_id(recorded_answer, id_of(live));
  }

  Bytes error(const Message& live, std::string_view explanation) override {
    const Bytes body = "reprise: " + Bytes(explanation) + "\n";
    Bytes out;
    put_record(out, kStdout, id_of(live),
               "Status: 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\n"
               "X-Reprise: miss\r\n\r\n" +
                   (live.operation.verb == "HEAD" ? Bytes() : body));
    put_record(out, kStdout, id_of(live), {});
    put_end(out, id_of(live), 0, 0);
    return out;
  }

 private:
  static uint16_t id_of(const Message& live) {
    return live.bytes.size() >= kHeaderSize ? be16(live.bytes, 2) : 1;
  }
};

Likelihood detect(const Prefix& prefix) {
  // Version, type, id and length of BEGIN_REQUEST or GET_VALUES; the server only answers.
  const ByteView c = prefix.client;
  const ByteView s = prefix.server;
  if (!s.empty() && (s[0] != 1 || prefix.server_first)) return Likelihood::kNo;
  if (c.empty()) return s.empty() ? Likelihood::kNeedMore : Likelihood::kNo;
  if (c[0] != 1 || (c.size() > 1 && c[1] != kBeginRequest && c[1] != kGetValues))
    return Likelihood::kNo;
  if (c.size() < kHeaderSize) return Likelihood::kNeedMore;
  if (c[1] == kGetValues) return be16(c, 2) == 0 ? Likelihood::kYes : Likelihood::kNo;
  const bool begin = be16(c, 2) != 0 && be16(c, 4) == 8;
  return begin ? Likelihood::kYes : Likelihood::kNo;
}

}  // namespace

ProtocolEntry fastcgi_entry() {
  return {Protocol::kFastcgi, detect,
          [](const CodecOptions& o) -> std::unique_ptr<Codec> {
            return std::make_unique<FastcgiCodec>(o);
          },
          []() -> std::unique_ptr<Responder> { return std::make_unique<FastcgiResponder>(); },
          describe_answer};
}

}  // namespace reprise::wire
