#include "wire/http1/http1.h"

#include <array>
#include <deque>
#include <memory>

#include "wire/http1/describe.h"
#include "wire/http1/framer.h"
#include "wire/message_builder.h"

namespace reprise::wire {

namespace {

using http1::Framer;
using http1::Head;
using State = Framer::State;

constexpr size_t kMaxPending = 1 << 16;  // requests without an answer on one stream

class Http1Codec : public Codec {
 public:
  explicit Http1Codec(const CodecOptions& options)
      : request_(Dir::kRequest, options), answer_(Dir::kResponse, options) {}

  void feed(Dir dir, ByteView bytes, int64_t at_ns, std::vector<Message>& out) override {
    Side& side = side_of(dir);
    while (!bytes.empty() && !side.dead) {
      if (tunnel_ || (dir == Dir::kRequest && connect_open_)) {
        return set_fault(side, dir, side.builder.position(),
                         "not HTTP behind an upgrade or CONNECT");
      }
      const size_t used = side.framer.consume(bytes);
      if (side.lost) {
        side.builder.skip(used);
      } else {
        side.builder.add(bytes.substr(0, used), at_ns);
      }
      bytes.remove_prefix(used);
      if (side.framer.state() == State::kHeadDone) on_head(side, dir);
      if (side.framer.state() == State::kDone) emit(side, dir, false, out);
      if (side.framer.state() == State::kFault) on_bad_byte(side, dir, out);
    }
  }

  void finish(Dir dir, int64_t, std::vector<Message>& out) override {
    Side& side = side_of(dir);
    if (side.dead) return;
    side.dead = true;
    if (side.lost || side.builder.empty() || side.framer.only_filler()) return;
    emit(side, dir, side.framer.state() != State::kUntilClose, out);
  }

  // A loss inside a body keeps the framing: the end of that body is known. Any other one could hide
  // whole messages, after which no answer could be told to be that of a request.
  void gap(Dir dir, uint64_t length, int64_t, std::vector<Message>& out) override {
    Side& side = side_of(dir);
    if (side.dead || length == 0) return;
    const uint64_t at = side.builder.position();
    const bool known = side.head && side.framer.skip(length);
    if (!side.lost && !side.builder.empty() && !side.framer.only_filler()) {
      emit_message(side, dir, true, out);
    }
    if (!known) return set_fault(side, dir, at, "bytes lost outside a body");
    side.lost = true;
    side.builder.skip(length);
    if (side.framer.state() == State::kDone) restart(side);
  }

  const std::optional<Fault>& fault() const override { return fault_; }

 private:
  struct Side {
    Side(Dir dir, const CodecOptions& options)
        : framer(dir == Dir::kResponse), builder(dir, options.message_limit) {}
    Framer framer;
    MessageBuilder builder;
    std::optional<Head> head;  // of the message in flight
    uint64_t exchange = 0;
    Role role = Role::kRequest;
    bool lost = false;  // the message in flight was emitted at a gap; its rest is passed over
    bool dead = false;
  };
  struct Pending {
    uint64_t exchange = 0;
    bool to_head = false;
    bool to_connect = false;
  };

  Side& side_of(Dir dir) { return dir == Dir::kRequest ? request_ : answer_; }

  void set_fault(Side& side, Dir dir, uint64_t offset, std::string reason) {
    side.dead = true;
    if (!fault_) fault_ = Fault{dir, offset, std::move(reason)};
  }

  // A message whose head was fine is emitted as far as it goes; otherwise the fault is its first
  // byte.
  void on_bad_byte(Side& side, Dir dir, std::vector<Message>& out) {
    const std::string reason = side.framer.reason();
    uint64_t offset = side.builder.position();
    if (side.head) {
      if (!side.lost) emit_message(side, dir, true, out);
    } else {
      offset -= side.builder.length();
    }
    set_fault(side, dir, offset, reason);
  }

  void on_head(Side& side, Dir dir) {
    side.head = http1::parse_head(side.framer.head());
    if (dir == Dir::kRequest) {
      open_request(side);
      side.framer.start_body(http1::request_body(*side.head));
    } else {
      open_answer(side);
      const bool to_head = !pending_.empty() && pending_.front().to_head;
      const bool to_connect = !pending_.empty() && pending_.front().to_connect;
      side.framer.start_body(http1::answer_body(*side.head, to_head, to_connect));
    }
  }

  void open_request(Side& side) {
    side.role = Role::kRequest;
    side.exchange = ++exchange_;
    if (pending_.size() >= kMaxPending) pending_.pop_front();
    const std::string method = side.head ? side.head->method : std::string();
    pending_.push_back({side.exchange, method == "HEAD", method == "CONNECT"});
  }

  // An answer that nobody asked for: 408 on an idle connection.
  void open_answer(Side& side) {
    const int status = side.head ? side.head->status : 0;
    if (pending_.empty()) {
      side.role = Role::kPush;
      side.exchange = ++exchange_;
      return;
    }
    side.exchange = pending_.front().exchange;
    side.role = status / 100 == 1 && status != 101 ? Role::kInterim : Role::kAnswer;
  }

  void emit(Side& side, Dir dir, bool incomplete, std::vector<Message>& out) {
    if (!side.lost) emit_message(side, dir, incomplete, out);
    restart(side);
  }

  void restart(Side& side) {
    side.framer.restart();
    side.head.reset();
    side.lost = false;
  }

  void emit_message(Side& side, Dir dir, bool incomplete, std::vector<Message>& out) {
    if (!side.head) dir == Dir::kRequest ? open_request(side) : open_answer(side);
    Message m = side.builder.take(side.role, side.exchange);
    m.incomplete = incomplete;
    if (dir == Dir::kRequest) {
      if (side.head) {
        m.operation = http1::describe_request(*side.head, m.bytes);
      } else {
        m.operation.label = printable(m.bytes, 60);
      }
      connect_open_ = side.head && side.head->method == "CONNECT";
    } else if (side.role == Role::kAnswer) {
      // Not the front only if the bound on open requests let it go.
      const bool front = !pending_.empty() && pending_.front().exchange == side.exchange;
      const bool to_connect = front && pending_.front().to_connect;
      const int status = side.head ? side.head->status : 0;
      if (to_connect) connect_open_ = false;
      tunnel_ = status == 101 || (to_connect && status / 100 == 2);
      if (front) pending_.pop_front();
    }
    out.push_back(std::move(m));
  }

  Side request_;
  Side answer_;
  std::deque<Pending> pending_;
  uint64_t exchange_ = 0;
  bool connect_open_ = false;  // CONNECT was sent and has no answer
  bool tunnel_ = false;
  std::optional<Fault> fault_;
};

class Http1Responder : public Responder {
 public:
  Bytes error(const Message& live, std::string_view explanation) override {
    const Bytes body = "reprise: " + Bytes(explanation) + "\n";
    Bytes answer =
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Connection: keep-alive\r\nX-Reprise: miss\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n";
    if (live.operation.verb != "HEAD") answer += body;
    return answer;
  }
};

constexpr std::array<std::string_view, 26> kMethods = {
    "GET",       "HEAD",  "POST",   "PUT",      "DELETE",    "CONNECT",   "OPTIONS",
    "TRACE",     "PATCH", "PURGE",  "PROPFIND", "LOCK",      "PROPPATCH", "MKCOL",
    "COPY",      "MOVE",  "UNLOCK", "REPORT",   "SEARCH",    "MERGE",     "NOTIFY",
    "SUBSCRIBE", "LINK",  "UNLINK", "CHECKOUT", "MKACTIVITY"};

Likelihood detect_client(ByteView client) {
  if (client.empty()) return Likelihood::kNeedMore;
  const size_t space = client.find(' ');
  const ByteView word = client.substr(0, space);
  bool known = false;
  for (const std::string_view method : kMethods) {
    known = known || (space == ByteView::npos ? method.starts_with(word) : method == word);
  }
  if (!known) return Likelihood::kNo;
  if (space == ByteView::npos) return Likelihood::kNeedMore;
  const size_t lf = client.find('\n');
  if (lf == ByteView::npos) {
    // "GET key" is an inline Redis command until its line is complete.
    if (client.size() == space + 1) return Likelihood::kNeedMore;
    const char first = client[space + 1];
    const bool target = first == '/' || first == '*' || word == "CONNECT" || (first | 0x20) == 'h';
    return target ? Likelihood::kNeedMore : Likelihood::kNo;
  }
  return http1::parse_head(client.substr(0, lf + 1)) ? Likelihood::kYes : Likelihood::kNo;
}

Likelihood detect_server(ByteView server) {
  const ByteView want = "HTTP/1.";
  const size_t n = std::min(want.size(), server.size());
  if (server.substr(0, n) != want.substr(0, n)) return Likelihood::kNo;
  return n == want.size() ? Likelihood::kYes : Likelihood::kNeedMore;
}

Likelihood detect(const Prefix& prefix) {
  const Likelihood server = detect_server(prefix.server);
  const Likelihood client = detect_client(prefix.client);
  if (server == Likelihood::kNo || client == Likelihood::kNo) return Likelihood::kNo;
  return prefix.client.empty() ? server : client;
}

}  // namespace

ProtocolEntry http1_entry() {
  return {Protocol::kHttp1, detect,
          [](const CodecOptions& o) -> std::unique_ptr<Codec> {
            return std::make_unique<Http1Codec>(o);
          },
          []() -> std::unique_ptr<Responder> { return std::make_unique<Http1Responder>(); },
          http1::describe_answer};
}

}  // namespace reprise::wire
