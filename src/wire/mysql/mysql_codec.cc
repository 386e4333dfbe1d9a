#include "wire/mysql/mysql_codec.h"

namespace reprise::wire::mysql {

namespace {
constexpr size_t kMaxPending = 1 << 16;  // pipelined commands without an answer
constexpr size_t kMaxPendingSql = 64u << 20;
}  // namespace

void MysqlCodec::set_fault(Dir dir, uint64_t offset, std::string reason) {
  if (!fault_) fault_ = Fault{dir, offset, std::move(reason)};
}

void MysqlCodec::feed(Dir dir, ByteView bytes, int64_t at_ns, std::vector<Message>& out) {
  if (dir == Dir::kRequest) {
    feed_requests(bytes, at_ns, out);
  } else {
    feed_answers(bytes, at_ns, out);
  }
}

void MysqlCodec::feed_requests(ByteView bytes, int64_t at_ns, std::vector<Message>& out) {
  while (!bytes.empty() && !fault_) {
    const size_t used = client_.feed(bytes);
    if (drop_request_) {
      request_.skip(used);
    } else {
      request_.add(bytes.substr(0, used), at_ns);
    }
    bytes.remove_prefix(used);
    if (!client_.complete()) continue;
    client_packet(out);
    client_.next();
  }
}

void MysqlCodec::client_packet(std::vector<Message>& out) {
  settle_guess(out);
  if (answers_lost_ && pending_.empty()) {
    answers_lost_ = false;
    server_ = {};
  }
  if (client_.first_seq() == 0) {
    infile_ = false;
    if (phase_ == Phase::kStart) joined_late(out);
    if (phase_ == Phase::kStart || phase_ == Phase::kAuth) phase_ = Phase::kCommand;
    if (phase_ == Phase::kLogin)
      return set_fault(Dir::kRequest, request_.position() - request_.length(),
                       "a command before the login");
    return command_packet(out);
  }
  if (phase_ == Phase::kStart || phase_ == Phase::kLogin) return login_packet(out);
  if (infile_) {
    if (client_.length() > 0) return;
    infile_ = false;
    pending_.push_back({++exchange_,
                        AnswerShape(Shape::kResults, deprecate_eof_),
                        uint8_t(client_.last_seq() + 1),
                        kQuery,
                        {}});
    return emit_request(Role::kRequest, decode_local_infile(request_.bytes()), out);
  }
  pending_.push_back({++exchange_,
                      AnswerShape(Shape::kAuth, deprecate_eof_),
                      uint8_t(client_.last_seq() + 1),
                      0,
                      {}});
  emit_request(Role::kRequest, decode_auth_data(), out);
}

// Server bytes in front of the first command that we see are the rest of some answer.
void MysqlCodec::joined_late(std::vector<Message>& out) {
  if (!answer_.empty()) {
    Message m = answer_.take(Role::kPush, ++exchange_);
    m.incomplete = true;
    out.push_back(std::move(m));
  }
  server_ = {};
}

void MysqlCodec::command_packet(std::vector<Message>& out) {
  if (pending_.size() >= kMaxPending || pending_sql_ > kMaxPendingSql) {
    return set_fault(Dir::kRequest, request_.position(), "too many commands without an answer");
  }
  const uint8_t command = client_.head().empty() ? uint8_t{0} : u8(client_.head(), 0);
  const Shape shape = shape_of(command);
  ++exchange_;
  if (drop_request_) {
    // The beginning of the command is known, its text is not: the answer can still be framed.
    if (shape != Shape::kNone) {
      pending_.push_back({exchange_,
                          AnswerShape(shape, deprecate_eof_),
                          uint8_t(client_.last_seq() + 1),
                          command,
                          {}});
    }
    drop_request_ = false;
    return;
  }
  const Bytes payload = first_payload(request_.bytes());
  Operation op =
      decode_command(payload, statements_, {(caps_ & kQueryAttributes) != 0, cached_metadata_});
  if (shape == Shape::kNone) return emit_request(Role::kOneWay, std::move(op), out);
  pending_.push_back({exchange_, AnswerShape(shape, deprecate_eof_),
                      uint8_t(client_.last_seq() + 1), command,
                      command == kStmtPrepare ? payload.substr(1) : Bytes()});
  pending_sql_ += pending_.back().sql.size();
  emit_request(Role::kRequest, std::move(op), out);
}

void MysqlCodec::login_packet(std::vector<Message>& out) {
  const ByteView head = client_.head();
  if (head.size() < 32 || (le32(head, 0) & kProtocol41) == 0) {
    return set_fault(Dir::kRequest, request_.position() - request_.length(),
                     "login of a protocol before 4.1");
  }
  const uint32_t wanted = le32(head, 0);
  caps_ = greeted_ ? wanted & server_caps_ : wanted;
  if (client_.length() == 32 && (wanted & kSsl) != 0) {
    Operation op;
    op.verb = op.label = "SSL_REQUEST";
    op.effect = Effect::kRead;
    op.tier = Tier::kHandshake;
    ++exchange_;
    emit_request(Role::kOneWay, std::move(op), out);
    return set_fault(Dir::kRequest, request_.position(), "TLS: opaque");
  }
  if ((caps_ & kOptionalMetadata) != 0) {
    return set_fault(Dir::kRequest, request_.position(),
                     "optional result metadata is not understood");
  }
  // Without the greeting nobody knows whether the server can do what the client wishes.
  if (greeted_ || (wanted & kDeprecateEof) == 0) deprecate_eof_ = (caps_ & kDeprecateEof) != 0;
  cached_metadata_ = (wanted & kMysqlCaps) == 0 && (le32(head, 28) & kMariadbCacheMetadata) != 0;
  phase_ = Phase::kAuth;
  pending_.push_back({++exchange_,
                      AnswerShape(Shape::kAuth, deprecate_eof_),
                      uint8_t(client_.last_seq() + 1),
                      0,
                      {}});
  emit_request(Role::kRequest, decode_login(first_payload(request_.bytes())), out);
}

void MysqlCodec::emit_request(Role role, Operation op, std::vector<Message>& out) {
  if (drop_request_) {
    drop_request_ = false;
    return;
  }
  Message m = request_.take(role, exchange_);
  m.operation = std::move(op);
  out.push_back(std::move(m));
}

// An answer that was complete but for an EOF that may follow: the client speaks, so none does.
void MysqlCodec::settle_guess(std::vector<Message>& out) {
  if (pending_.size() == 1 && server_.idle() && pending_.front().shape.maybe_done()) {
    deprecate_eof_ = true;
    answer_complete(out);
  }
}

void MysqlCodec::feed_answers(ByteView bytes, int64_t at_ns, std::vector<Message>& out) {
  while (!bytes.empty() && !fault_) {
    if (answers_lost_) {
      answer_.skip(bytes.size());
      return;
    }
    const size_t used = server_.feed(bytes);
    if (drop_answer_) {
      answer_.skip(used);
    } else {
      answer_.add(bytes.substr(0, used), at_ns);
    }
    bytes.remove_prefix(used);
    if (!server_.complete()) continue;
    server_packet(out);
    server_.next();
  }
}

void MysqlCodec::server_packet(std::vector<Message>& out) {
  if (pending_.empty()) return unasked_packet(out);
  Pending& p = pending_.front();
  if (server_.first_seq() != p.next_seq && !is_err(server_.head())) {
    return set_fault(Dir::kResponse, answer_.position(), "sequence number out of order");
  }
  p.next_seq = static_cast<uint8_t>(server_.last_seq() + 1);
  const Part part = p.shape.packet(server_.head(), server_.length());
  if (p.shape.broken()) {
    return set_fault(Dir::kResponse, answer_.position(), "an answer of unknown shape");
  }
  if (!deprecate_eof_) deprecate_eof_ = p.shape.deprecate_eof();
  learn_statement(part, p);
  if (!p.shape.done()) return;
  if (part == Part::kLocalInfile) infile_ = true;
  const bool login = p.command == 0;
  answer_complete(out);
  if (login) login_done(part);
}

void MysqlCodec::learn_statement(Part part, const Pending& p) {
  if (part == Part::kPrepareOk) {
    statements_.prepared(p.shape.statement_id(), p.sql, p.shape.params());
  } else if (part == Part::kColumnDef && p.command == kStmtPrepare) {
    const bool whole = server_.head().size() == server_.length();
    statements_.add_column(p.shape.statement_id(), whole ? parse_column(server_.head()) : Column{});
  }
}

void MysqlCodec::login_done(Part last) {
  if (last != Part::kOk || phase_ != Phase::kAuth) return;
  phase_ = Phase::kCommand;
  if ((caps_ & (kCompress | kZstd)) != 0) {
    set_fault(Dir::kResponse, answer_.position(), "the compressed protocol is not understood");
  }
}

void MysqlCodec::unasked_packet(std::vector<Message>& out) {
  if (phase_ == Phase::kStart && !greeted_) {
    const Greeting g = parse_greeting(server_.head());
    if (server_.first_seq() == 0 && (g.valid || is_err(server_.head()))) {
      greeted_ = g.valid;
      server_caps_ = g.capabilities;
      phase_ = Phase::kLogin;
      out.push_back(answer_.take(Role::kGreeting, ++exchange_));
      return;
    }
    // Joined in the middle of an answer: wait for a command.
    answers_lost_ = true;
    Message m = answer_.take(Role::kPush, ++exchange_);
    m.incomplete = true;
    out.push_back(std::move(m));
    return;
  }
  if (drop_answer_) {
    drop_answer_ = false;
    return;
  }
  out.push_back(answer_.take(Role::kPush, ++exchange_));  // "connection killed", as an ERR
}

void MysqlCodec::answer_complete(std::vector<Message>& out) {
  const uint64_t exchange = pending_.front().exchange;
  pending_sql_ -= pending_.front().sql.size();
  pending_.pop_front();
  if (drop_answer_) {
    drop_answer_ = false;
    return;
  }
  out.push_back(answer_.take(Role::kAnswer, exchange));
}

void MysqlCodec::finish(Dir dir, int64_t, std::vector<Message>& out) {
  if (dir == Dir::kResponse && !fault_) settle_guess(out);
  if (fault_) return;
  MessageBuilder& b = dir == Dir::kRequest ? request_ : answer_;
  if (b.empty()) return;
  const bool asked = dir == Dir::kResponse && !pending_.empty();
  Message m = b.take(dir == Dir::kRequest ? Role::kRequest : (asked ? Role::kAnswer : Role::kPush),
                     asked ? pending_.front().exchange : ++exchange_);
  m.incomplete = true;
  out.push_back(std::move(m));
}

void MysqlCodec::gap(Dir dir, uint64_t length, int64_t at_ns, std::vector<Message>& out) {
  if (fault_ || length == 0) return;
  MessageBuilder& builder = dir == Dir::kRequest ? request_ : answer_;
  Framer& framer = dir == Dir::kRequest ? client_ : server_;
  const bool partial = !builder.empty();
  finish(dir, at_ns, out);
  builder.skip(length);
  if (length <= framer.left_in_packet()) {
    // Inside a payload: the header says where it ends.
    (dir == Dir::kRequest ? drop_request_ : drop_answer_) =
        partial || (dir == Dir::kRequest ? drop_request_ : drop_answer_);
    framer.skip(static_cast<uint32_t>(length));
    if (!framer.complete()) return;
    if (dir == Dir::kRequest) {
      client_packet(out);
    } else {
      server_packet(out);
    }
    framer.next();
    return;
  }
  if (dir == Dir::kRequest)
    return set_fault(dir, builder.position(), "lost bytes between commands");
  if (pending_.size() > 1)
    return set_fault(dir, builder.position(), "lost answers to pipelined commands");
  pending_.clear();
  pending_sql_ = 0;
  answers_lost_ = true;
  drop_answer_ = false;
}

}  // namespace reprise::wire::mysql
