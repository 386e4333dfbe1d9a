#include "session/assembler_parts.h"

namespace reprise::session {

using wire::Dir;
using wire::Role;

void Assembler::failed_connect(const Event& e) {
  auto p = std::make_shared<Pending>();
  p->call.kind = CallKind::kFailedConnect;
  p->call.transport = e.transport;
  p->call.stream = e.stream;
  p->call.peer = e.peer;
  p->call.pid = e.pid;
  p->call.thread = e.thread;
  p->call.request_ns = p->call.request_end_ns = e.at_ns;
  p->call.error = static_cast<int32_t>(e.value);
  p->call.operation.verb = "CONNECT";
  p->call.operation.label = "connect " + reprise::to_string(e.peer);
  p->done = true;
  ++stats_.calls;
  attach(p, attributor_.of_write(e.pid, e.thread, e.at_ns));
}

void Assembler::handle(Connection& c, std::vector<FramedMessage>& messages, int64_t at_ns) {
  for (FramedMessage& m : messages) {
    if (c.stream.inbound) {
      inbound_message(c, m);
    } else {
      outbound_message(c, m);
    }
  }
  if (c.stream.inbound) begin_if_begun(c);
  if (!c.stream.inbound && c.stream.opaque() && !c.opaque_told) opaque_call(c, at_ns);
}

// A connection of which only the bytes could be counted is one call, of the session that connected.
void Assembler::opaque_call(Connection& c, int64_t at_ns) {
  c.opaque_told = true;
  auto p = std::make_shared<Pending>();
  Call& call = p->call;
  call.kind = CallKind::kOpaque;
  call.protocol = c.stream.protocol();
  call.transport = c.stream.transport;
  call.stream = c.stream.id;
  call.peer = c.stream.peer;
  call.local = c.stream.local;
  call.request_ns = c.stream.opened_ns;
  call.request_end_ns = at_ns;
  call.operation.verb = "TLS";
  call.operation.label = "opaque connection to " + reprise::to_string(c.stream.peer);
  p->done = true;
  ++stats_.calls;
  attach(p, c.connect);
}

void Assembler::begin_if_begun(Connection& c) {
  const Piece* first = c.stream.request_begun();
  if (first == nullptr || c.begun_at == c.stream.request_start()) return;
  c.begun_at = c.stream.request_start();
  c.begun.push_back(begin_session(c, *first).session.id);
}

Assembler::Open& Assembler::begin_session(Connection& c, const Piece& first) {
  had_inbound_ = true;
  ++stats_.requests;
  auto open = std::make_unique<Open>();
  open->session.id = ++next_session_;
  open->stream = c.stream.id;
  open->moved_ns = first.at_ns;
  Call& call = open->session.inbound;
  call.transport = c.stream.transport;
  call.stream = c.stream.id;
  call.peer = c.stream.peer;
  call.local = c.stream.local;
  call.pid = first.pid;
  call.thread = first.thread;
  call.request_ns = first.at_ns;
  attributor_.open(open->session.id, first.pid, first.thread, first.at_ns);
  Open& stored = *open;
  sessions_[stored.session.id] = std::move(open);
  if (c.linkable) {
    c.sessions_to_link.push_back(stored.session.id);
    match_ends(c);
  }
  return stored;
}

Assembler::Open* Assembler::session_of_exchange(Connection& c, uint64_t exchange) {
  const auto it = c.exchanges.find(exchange);
  if (it != c.exchanges.end()) {
    const auto session = sessions_.find(it->second);
    return session != sessions_.end() ? session->second.get() : nullptr;
  }
  if (c.begun.empty()) return nullptr;
  const uint64_t id = c.begun.front();
  c.begun.pop_front();
  c.exchanges[exchange] = id;
  const auto session = sessions_.find(id);
  return session != sessions_.end() ? session->second.get() : nullptr;
}

void Assembler::inbound_message(Connection& c, FramedMessage& m) {
  wire::Message& message = m.message;
  if (message.role == Role::kGreeting || message.role == Role::kPush) {
    ++stats_.unasked;
    return;
  }
  Open* open = session_of_exchange(c, message.exchange);
  if (open == nullptr && message.dir == Dir::kRequest && c.exchanges.count(message.exchange) == 0) {
    open = &begin_session(c, m.first);
    c.exchanges[message.exchange] = open->session.id;
  }
  if (open == nullptr) {
    ++stats_.unasked;
    // The rest of a request whose session was handed out before it was complete.
    if (message.dir == Dir::kRequest) c.exchanges.erase(message.exchange);
    return;
  }
  Call& call = open->session.inbound;
  call.protocol = c.stream.protocol();
  call.exchange = message.exchange;
  open->moved_ns = message.last_ns;
  const uint64_t id = open->session.id;
  if (message.dir == Dir::kRequest) {
    if (call.request_ns == 0) call.request_ns = message.first_ns;
    call.request_end_ns = message.last_ns;
    call.request = std::move(message.bytes);
    call.request_size = message.end - message.begin;
    call.request_digest = std::move(message.digest);
    call.incomplete = call.incomplete || message.incomplete;
    call.operation = std::move(message.operation);
    open->requested = true;
    if (message.role == Role::kOneWay) {
      call.kind = CallKind::kOneWay;
      open->answered_ns = message.last_ns;
      due_.push_back(id);
    }
    attributor_.trace(id, call.operation.leaves);
    if (open->answered_ns != 0) {
      attributor_.answered(id, message.last_ns);
      c.exchanges.erase(message.exchange);
    }
    return;
  }
  if (message.role == Role::kInterim) {
    call.interim += message.bytes;
    return;
  }
  call.answer_ns = message.first_ns;
  call.answer_end_ns = message.last_ns;
  call.answer = std::move(message.bytes);
  call.answer_size = message.end - message.begin;
  call.answer_digest = std::move(message.digest);
  call.incomplete = call.incomplete || message.incomplete;
  call.answered = !message.incomplete;
  open->answered_ns = message.last_ns;
  attributor_.answered(id, message.last_ns);
  due_.push_back(id);
  if (open->requested) c.exchanges.erase(message.exchange);
}

void Assembler::outbound_message(Connection& c, FramedMessage& m) {
  wire::Message& message = m.message;
  const bool asks = message.role == Role::kRequest || message.role == Role::kOneWay;
  if (asks || message.role == Role::kGreeting || message.role == Role::kPush) {
    auto p = std::make_shared<Pending>();
    Call& call = p->call;
    call.protocol = c.stream.protocol();
    call.transport = c.stream.transport;
    call.stream = c.stream.id;
    call.exchange = message.exchange;
    call.peer = c.stream.peer;
    call.local = c.stream.local;
    call.pid = m.first.pid;
    call.thread = m.first.thread;
    ++stats_.calls;
    Attribution found;
    if (asks) {
      call.kind = message.role == Role::kOneWay ? CallKind::kOneWay : CallKind::kExchange;
      call.request_ns = message.first_ns;
      call.request_end_ns = message.last_ns;
      call.request = std::move(message.bytes);
      call.request_size = message.end - message.begin;
      call.request_digest = std::move(message.digest);
      call.incomplete = message.incomplete;
      call.operation = std::move(message.operation);
      const auto tag = tags_.find(m.first.tag);
      if (tag != tags_.end()) found = tag->second;
      found = attributor_.refine(std::move(found), call.operation.leaves);
      if (found.evidence == Evidence::kWindow && c.first_call && c.connect.certain()) {
        found = {Confidence::kLikely, Evidence::kConnection, c.connect.sessions};
      }
      c.first_call = false;
      p->done = message.role == Role::kOneWay || message.incomplete;
      if (!p->done) c.calls[message.exchange] = p;
    } else {
      call.kind = message.role == Role::kGreeting ? CallKind::kGreeting : CallKind::kPush;
      call.operation.verb = message.role == Role::kGreeting ? "GREETING" : "PUSH";
      call.operation.label = call.operation.verb;
      call.operation.tier = wire::Tier::kHandshake;
      call.request_ns = call.request_end_ns = call.answer_ns = message.first_ns;
      call.answer_end_ns = message.last_ns;
      call.answer = std::move(message.bytes);
      call.answer_size = message.end - message.begin;
      call.answered = true;
      found = c.connect;
      p->done = true;
    }
    if (c.linkable && asks) {
      c.calls_to_link.push_back(p);
      match_ends(c);
    }
    attach(p, found);
    return;
  }
  const auto it = c.calls.find(message.exchange);
  if (it == c.calls.end()) {
    ++stats_.unasked;
    return;
  }
  Pending& p = *it->second;
  if (message.role == Role::kInterim) {
    p.call.interim += message.bytes;
    return;
  }
  if (p.given) ++stats_.late_answers;
  p.call.answer_ns = message.first_ns;
  p.call.answer_end_ns = message.last_ns;
  p.call.answer = std::move(message.bytes);
  p.call.answer_size = message.end - message.begin;
  p.call.answer_digest = std::move(message.digest);
  p.call.incomplete = p.call.incomplete || message.incomplete;
  p.call.answered = !message.incomplete;
  p.done = true;
  c.calls.erase(it);
}

void Assembler::attach(const PendingPtr& p, const Attribution& found) {
  p->found = found;
  if (found.evidence == Evidence::kWindow) {
    unresolved_[p->call.thread].push_back(p);
    return;
  }
  if (found.sessions.size() == 1) {
    const auto it = sessions_.find(found.sessions[0]);
    if (it != sessions_.end()) {
      p->session = found.sessions[0];
      it->second->calls.push_back(p);
      return;
    }
  }
  p->found = {};
  outside_.push_back(p);
}

// A worker that read no inbound request itself writes an answer: its calls since then were for it.
void Assembler::hand_off(uint64_t thread, uint32_t, uint64_t session) {
  const auto it = unresolved_.find(thread);
  const auto open = sessions_.find(session);
  if (it == unresolved_.end() || open == sessions_.end()) return;
  if (open->second->session.inbound.thread == thread) return;  // a thread that reads: an event loop
  std::erase_if(it->second, [&](const PendingPtr& p) {
    const auto& candidates = p->found.sessions;
    if (std::find(candidates.begin(), candidates.end(), session) == candidates.end()) return false;
    p->found = {Confidence::kLikely, Evidence::kHandOff, {session}};
    p->session = session;
    open->second->calls.push_back(p);
    return true;
  });
  if (it->second.empty()) unresolved_.erase(it);
}

}  // namespace reprise::session
