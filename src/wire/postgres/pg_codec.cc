#include "wire/postgres/pg_codec.h"

namespace reprise::wire::postgres {

namespace {

constexpr size_t kMaxPending = 1 << 16;
constexpr ByteView kClientTypes = "QPBDESHCXFpdcf";
constexpr ByteView kServerTypes = "RKSZTDCEN123tnsIAGHWdcvV";

}  // namespace

void PostgresCodec::set_fault(Dir dir, uint64_t offset, std::string reason) {
  if (!fault_) fault_ = Fault{dir, offset, std::move(reason)};
}

void PostgresCodec::feed(Dir dir, ByteView bytes, int64_t at_ns, std::vector<Message>& out) {
  if (dir == Dir::kRequest) {
    feed_requests(bytes, at_ns, out);
  } else {
    feed_answers(bytes, at_ns, out);
  }
}

void PostgresCodec::feed_requests(ByteView bytes, int64_t at_ns, std::vector<Message>& out) {
  if (!seen_client_ && !bytes.empty()) {
    seen_client_ = true;
    started_ = bytes[0] != '\0';  // a start-up packet has fewer than 2^24 bytes
    client_.next(!started_);
    if (started_ || answers_lost_) {
      answers_lost_ = false;  // joined late: the answer to what comes now starts at a boundary
      server_.next(false);
    }
  }
  while (!bytes.empty() && !fault_) {
    const size_t used = client_.feed(bytes);
    if (drop_request_) {
      request_.skip(used);
    } else {
      request_.add(bytes.substr(0, used), at_ns);
    }
    bytes.remove_prefix(used);
    const bool known =
        client_.type() == '\0' || kClientTypes.find(client_.type()) != ByteView::npos;
    if (client_.broken() || !known)
      return set_fault(Dir::kRequest, request_.position(), "no PostgreSQL message");
    if (!client_.complete()) continue;
    client_message(out);
    client_.next(!started_);
  }
}

void PostgresCodec::client_message(std::vector<Message>& out) {
  if (answers_lost_ && pending_.empty()) {
    answers_lost_ = false;
    server_.next(false);
  }
  if (!started_) return startup_message(out);
  const char type = client_.type();
  unit_message(type);
  if (ends_unit(type)) end_unit(type, out);
}

void PostgresCodec::startup_message(std::vector<Message>& out) {
  const ByteView head = client_.head();
  const uint32_t code = head.size() >= 4 ? be32(head, 0) : 0;
  Operation op = decode_startup(request_.bytes());
  if (code == kCancelCode)
    return request_complete(Role::kOneWay, Until::kReady, std::move(op), out);
  if (code == kSslCode || code == kGssCode)
    return request_complete(Role::kRequest, Until::kByte, std::move(op), out);
  if (code >> 16 != 3)
    return set_fault(Dir::kRequest, request_.position(), "a protocol version other than 3");
  started_ = true;
  request_complete(Role::kRequest, Until::kAuth, std::move(op), out);
}

// Counts what the server will answer to one message of a unit.
void PostgresCodec::unit_message(char type) {
  switch (type) {
    case 'D':
      if (!client_.head().empty() && client_.head()[0] == 'S') {
        ByteView name = client_.head().substr(1);
        name = name.substr(0, name.find('\0'));
        const bool room = pending_.size() < 64 && open_.described.size() < 256 && name.size() < 256;
        open_.described_lost = open_.described_lost || !room;
        if (room) open_.described.emplace_back(name);
        ++open_.expected;
      }
      [[fallthrough]];
    case 'P':
    case 'B':
    case 'E':
    case 'C':
      ++open_.expected;
      unit_extended_ = true;
      return;
    case 'd':
    case 'c':
    case 'f':
      unit_copy_ = true;
      return;
    default:
      return;
  }
}

bool PostgresCodec::ends_unit(char type) {
  switch (type) {
    case 'd':
    case 'P':
    case 'B':
    case 'D':
    case 'E':
    case 'C':
      return false;
    // COPY data of the extended protocol is closed by Sync as well.
    case 'c':
    case 'f':
      return !last_extended_ || unit_extended_;
    default:
      return true;
  }
}

void PostgresCodec::end_unit(char type, std::vector<Message>& out) {
  Role role = Role::kRequest;
  Until until = Until::kReady;
  if (type == 'X') role = Role::kOneWay;
  if (type == 'p') until = Until::kAuth;
  if (type == 'H') {
    until = Until::kAnswered;
    if (open_.expected == 0 || skipping_) role = Role::kOneWay;
  }
  last_extended_ = type == 'S' || type == 'H' || unit_extended_;
  unit_extended_ = unit_copy_ = false;
  request_complete(role, until, drop_request_ ? Operation{} : decode_unit(request_.bytes(), names_),
                   out);
}

void PostgresCodec::request_complete(Role role, Until until, Operation op,
                                     std::vector<Message>& out) {
  ++exchange_;
  if (!drop_request_) {
    Message m = request_.take(role, exchange_);
    m.operation = std::move(op);
    out.push_back(std::move(m));
  }
  drop_request_ = false;
  Pending p = std::move(open_);
  open_ = {};
  if (role == Role::kOneWay) return;
  if (pending_.size() >= kMaxPending) {
    return set_fault(Dir::kRequest, request_.position(), "too many requests without an answer");
  }
  p.exchange = exchange_;
  p.until = until;
  if (early_) {
    early_->exchange = exchange_;
    out.push_back(std::move(*early_));
    early_.reset();
    return;
  }
  const bool answered = until == Until::kAnswered && pending_.empty() && p.seen >= p.expected;
  pending_.push_back(std::move(p));
  if (answered && server_.idle() && !answer_.empty()) answer_complete(out);
}

void PostgresCodec::feed_answers(ByteView bytes, int64_t at_ns, std::vector<Message>& out) {
  if (!seen_client_ && !bytes.empty()) answers_lost_ = true;
  while (!bytes.empty() && !fault_) {
    if (answers_lost_) return answer_.skip(bytes.size());
    const bool single =
        !pending_.empty() && pending_.front().until == Until::kByte && server_.idle();
    if (single && bytes[0] != 'E') {
      server_byte(bytes[0], at_ns, out);
      bytes.remove_prefix(1);
      continue;
    }
    const size_t used = server_.feed(bytes);
    if (drop_answer_) {
      answer_.skip(used);
    } else {
      answer_.add(bytes.substr(0, used), at_ns);
    }
    bytes.remove_prefix(used);
    if (server_.broken() || kServerTypes.find(server_.type()) == ByteView::npos) {
      return set_fault(Dir::kResponse, answer_.position(), "no PostgreSQL message");
    }
    if (!server_.complete()) continue;
    server_message(out);
    server_.next(false);
  }
}

void PostgresCodec::server_byte(char byte, int64_t at_ns, std::vector<Message>& out) {
  answer_.add(ByteView(&byte, 1), at_ns);
  answer_complete(out);
  if (byte == 'N') return;
  set_fault(Dir::kResponse, answer_.position(),
            byte == 'G'   ? "GSSAPI encryption: opaque"
            : byte == 'S' ? "TLS: opaque"
                          : "no answer to an SSLRequest");
}

void PostgresCodec::server_message(std::vector<Message>& out) {
  const char type = server_.type();
  last_server_type_ = type;
  if (type == 'W') return set_fault(Dir::kResponse, answer_.position(), "a replication stream");
  if (pending_.empty() && !in_unit() &&
      (type == 'A' || type == 'N' || type == 'S' || type == 'E')) {
    if (!drop_answer_) out.push_back(answer_.take(Role::kPush, ++exchange_));
    drop_answer_ = false;
    return;
  }
  Pending& p = pending_.empty() ? open_ : pending_.front();
  if (type == 't') learn_types(p);
  if (type == 'Z') skipping_ = false;
  if (!completes(p, type)) return;
  const bool failed = type == 'E';
  answer_complete(out);
  if (!failed) return;
  // Units that end in Flush behind an error are not answered.
  while (!pending_.empty() && pending_.front().until == Until::kAnswered) pending_.pop_front();
}

bool PostgresCodec::completes(Pending& p, char type) {
  switch (type) {
    case 'Z':
    case 'G':
      return true;
    case 'R': {
      const uint32_t code = server_.head().size() >= 4 ? be32(server_.head(), 0) : 0;
      return code != 0 && code != 12;  // Ok, SASLFinal: the server goes on
    }
    case 'E':
      if (p.until == Until::kReady && !pending_.empty()) skipping_ = false;
      if (p.until == Until::kAnswered) skipping_ = true;
      return p.until != Until::kReady;
    case '1':
    case '2':
    case '3':
    case 't':
    case 'T':
    case 'n':
    case 'C':
    case 's':
    case 'I':
      return ++p.seen >= p.expected && p.until == Until::kAnswered;
    default:
      return false;
  }
}

void PostgresCodec::learn_types(Pending& p) {
  if (p.described_lost || p.described.empty()) return;
  Reader r(server_.head());
  std::vector<uint32_t> types;
  const unsigned count = r.int16();
  for (unsigned i = 0; i < count && r.ok(); ++i) types.push_back(r.int32());
  if (r.ok()) names_.described(p.described.front(), std::move(types));
  p.described.pop_front();
}

void PostgresCodec::answer_complete(std::vector<Message>& out) {
  const bool early = pending_.empty();
  const uint64_t exchange = early ? 0 : pending_.front().exchange;
  if (!early) pending_.pop_front();
  if (drop_answer_) {
    drop_answer_ = false;
    return;
  }
  Message m = answer_.take(Role::kAnswer, exchange);
  if (!early) {
    out.push_back(std::move(m));
  } else if (early_) {
    set_fault(Dir::kResponse, m.end, "two answers to one request");
  } else {
    early_ = std::move(m);
  }
}

void PostgresCodec::finish(Dir dir, int64_t, std::vector<Message>& out) {
  if (fault_) return;
  if (dir == Dir::kRequest) {
    if (request_.empty()) return;
    Message m = request_.take(Role::kRequest, ++exchange_);
    m.incomplete = true;
    out.push_back(std::move(m));
    return;
  }
  if (answer_.empty()) return;
  const bool asked = !pending_.empty();
  Message m = answer_.take(asked ? Role::kAnswer : Role::kPush,
                           asked ? pending_.front().exchange : ++exchange_);
  // A fatal error ends the connection in place of ReadyForQuery.
  m.incomplete = last_server_type_ != 'E' || !server_.idle();
  if (asked) pending_.pop_front();
  out.push_back(std::move(m));
}

void PostgresCodec::gap(Dir dir, uint64_t length, int64_t at_ns, std::vector<Message>& out) {
  if (fault_ || length == 0) return;
  MessageBuilder& builder = dir == Dir::kRequest ? request_ : answer_;
  Framer& framer = dir == Dir::kRequest ? client_ : server_;
  const bool partial = !builder.empty();
  if (partial) {
    const bool asked = dir == Dir::kResponse && !pending_.empty();
    Message m =
        builder.take(dir == Dir::kRequest ? Role::kRequest : (asked ? Role::kAnswer : Role::kPush),
                     asked ? pending_.front().exchange : ++exchange_);
    m.incomplete = true;
    out.push_back(std::move(m));
  }
  builder.skip(length);
  bool& drop = dir == Dir::kRequest ? drop_request_ : drop_answer_;
  if (length <= framer.left_in_message()) {
    drop = drop || partial;
    framer.skip(static_cast<uint32_t>(length));
    if (!framer.complete()) return;
    if (dir == Dir::kRequest) {
      client_message(out);
      client_.next(!started_);
    } else {
      server_message(out);
      server_.next(false);
    }
    return;
  }
  (void)at_ns;
  if (dir == Dir::kRequest)
    return set_fault(dir, builder.position(), "lost bytes between messages");
  if (pending_.size() > 1)
    return set_fault(dir, builder.position(), "lost answers to pipelined requests");
  pending_.clear();
  answers_lost_ = true;
  drop_answer_ = false;
}

}  // namespace reprise::wire::postgres
