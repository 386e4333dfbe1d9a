#include "session/assembler.h"

#include <algorithm>
#include <deque>

namespace reprise::session {

using wire::Dir;
using wire::Role;

namespace {
constexpr size_t kMostTagWeight = 1u << 20;
constexpr size_t kMostUnlinked = 64;  // messages of a connection whose other end is not known
constexpr size_t kMostPeers = 4096;   // streams of one unconnected datagram socket
}  // namespace

struct Assembler::Pending {
  Call call;
  Attribution found;
  uint64_t session = 0;  // 0: not decided, or none
  bool done = false;     // answered, or will never be
  bool given = false;    // handed out
};

struct Assembler::Open {
  Session session;
  uint64_t stream = 0;
  bool requested = false;  // the request is complete
  int64_t answered_ns = 0;
  int64_t moved_ns = 0;
  std::vector<PendingPtr> calls;
  PendingPtr cause;  // the call in another recorded process
};

struct Assembler::Connection {
  Connection(const Event& open, bool inbound, size_t limit) : stream(open, inbound, limit) {}
  Stream stream;
  // Inbound: sessions begun whose request is not complete, and those in flight by exchange.
  std::deque<uint64_t> begun;
  uint64_t begun_at = UINT64_MAX;
  std::unordered_map<uint64_t, uint64_t> exchanges;
  std::vector<uint64_t> answered_first;
  // Outbound.
  std::unordered_map<uint64_t, PendingPtr> calls;
  Attribution connect;
  bool first_call = true;
  bool opaque_told = false;
  bool in_progress = false;  // a connect of which nothing was heard yet
  // The other end, if it is recorded too: the n-th call here is the n-th session there. It may be
  // met late, since a client may write before its server accepts. Those that have no partner yet:
  uint64_t linked = 0;
  bool linkable = true;
  std::deque<PendingPtr> calls_to_link;
  std::deque<uint64_t> sessions_to_link;
};

Assembler::Assembler(AssemblerOptions options, std::function<void(Session&&)> on_session)
    : options_(std::move(options)), on_session_(std::move(on_session)) {}
Assembler::~Assembler() = default;

void Assembler::add(const Event& e) {
  ++stats_.events;
  if (e.type == EventType::kData) stats_.bytes_seen += e.data.size();
  last_ns_ = std::max(last_ns_, e.at_ns);
  switch (e.type) {
    case EventType::kOpen:
      open_stream(e);
      break;
    case EventType::kData:
      data(e);
      break;
    case EventType::kDatagram:
      datagram_peer_[e.thread] = {e.stream, e.peer};
      break;
    case EventType::kProcess:
      process(e);
      break;
    case EventType::kListen:
      listeners_.insert(e.local);
      if (on_listener) on_listener({e.local, e.transport});
      break;
    case EventType::kResolve:
      if (on_name) on_name({e.data, static_cast<int32_t>(e.value), e.addresses});
      break;
    case EventType::kGap:
      stats_.gap_records += e.offset;
      stats_.gap_bytes += static_cast<uint64_t>(e.value);
      break;
    case EventType::kEof:
    case EventType::kShutdown:
    case EventType::kClose:
    case EventType::kError:
    case EventType::kConnected:
      if (e.type == EventType::kClose) adopted_.erase(e.stream), end_datagrams(e.stream, e);
      if (const auto it = streams_.find(e.stream); it != streams_.end()) end_stream(*it->second, e);
      break;
    case EventType::kUnseen:
    case EventType::kNone:
      break;
  }
  if (!ended_.empty()) remove_ended();
}

void Assembler::open_stream(const Event& e) {
  if (streams_.count(e.stream) != 0) return;  // identities are never reused: a damaged record
  if (options_.ignore && options_.ignore(e)) {
    ++stats_.streams_ignored;
    return;
  }
  if (e.kind == OpenKind::kConnect && e.value != 0) {
    failed_connect(e);
    return;
  }
  if (e.kind == OpenKind::kAdopted && e.transport == Transport::kUdp && e.peer.ip_or_path.empty()) {
    return;  // a datagram socket without a peer: its datagrams carry theirs
  }
  if (e.kind == OpenKind::kAdopted && !is_inbound(e)) {
    adopted_[e.stream] = e;  // whoever moves first tells
    return;
  }
  start_stream(e, e.kind != OpenKind::kConnect);
}

// Whether an adopted stream was accepted at one of the listeners that we know.
bool Assembler::is_inbound(const Event& open) const {
  const Address& a = open.local;
  if (a.ip_or_path.empty()) return false;
  if (listeners_.count(a) != 0) return true;
  return a.family != Address::kUnix && (listeners_.count({Address::kIp4, "0.0.0.0", a.port}) != 0 ||
                                        listeners_.count({Address::kIp6, "::", a.port}) != 0);
}

Assembler::Connection& Assembler::start_stream(const Event& e, bool inbound) {
  auto c = std::make_unique<Connection>(e, inbound, options_.message_limit);
  c->in_progress = e.in_progress;
  ++(inbound ? stats_.streams_in : stats_.streams_out);
  if (!inbound) c->connect = attributor_.of_write(e.pid, e.thread, e.at_ns);
  Connection& stored = *c;
  streams_[e.stream] = std::move(c);
  link(stored);
  return stored;
}

// The stream that a piece of data belongs to; an adopted one begins with it.
Assembler::Connection* Assembler::find_stream(const Event& data) {
  if (const auto it = streams_.find(data.stream); it != streams_.end()) return it->second.get();
  const auto adopted = adopted_.find(data.stream);
  if (adopted == adopted_.end()) return nullptr;
  const Event open = std::move(adopted->second);
  adopted_.erase(adopted);
  return &start_stream(open, !data.out);
}

// Remembers whom a write belongs to until it is framed.
uint64_t Assembler::tag_write(const Event& e) {
  Attribution found = attributor_.of_write(e.pid, e.thread, e.at_ns);
  tags_weight_ += 1 + found.sessions.size();
  tags_[++next_tag_] = std::move(found);
  // Most writes are framed at once; a request that takes more pieces than this loses its evidence
  // only.
  while (tags_weight_ > kMostTagWeight && tags_.size() > 1) {
    tags_weight_ -= 1 + tags_.begin()->second.sessions.size();
    tags_.erase(tags_.begin());
  }
  return next_tag_;
}

// Both ends of a connection between recorded processes: the same pair of addresses, seen from
// either side; a Unix socket has no addresses to compare, but the kernel hands out connections in
// order.
void Assembler::link(Connection& c) {
  Stream& s = c.stream;
  uint64_t other = 0;
  if (s.transport == Transport::kTcp) {
    const std::string mine = reprise::to_string(s.local) + ">" + reprise::to_string(s.peer);
    const std::string theirs = reprise::to_string(s.peer) + ">" + reprise::to_string(s.local);
    const auto it = half_links_.find(theirs);
    if (it == half_links_.end()) {
      half_links_[mine] = s.id;
      return;
    }
    other = it->second;
    half_links_.erase(it);
  } else if (s.transport == Transport::kUnix) {
    if (!s.inbound) {
      if (!s.peer.ip_or_path.empty()) unix_connects_[s.peer.ip_or_path].push_back(s.id);
      return;
    }
    const auto it = unix_connects_.find(s.local.ip_or_path);
    if (it == unix_connects_.end()) return;
    other = it->second.front();
    it->second.erase(it->second.begin());
    if (it->second.empty()) unix_connects_.erase(it);
  }
  const auto it = streams_.find(other);
  if (it == streams_.end() || it->second->stream.inbound == s.inbound) return;
  if (!c.linkable || !it->second->linkable) return;
  c.linked = other;
  it->second->linked = s.id;
  match_ends(c);
}

// Pairs what both ends of a connection have seen. An end that nobody shares soon forgets what it
// kept.
void Assembler::match_ends(Connection& c) {
  if (c.linked == 0) {
    if (c.calls_to_link.size() + c.sessions_to_link.size() > kMostUnlinked) {
      c.linkable = false;
      c.calls_to_link.clear(), c.sessions_to_link.clear();
    }
    return;
  }
  const auto other = streams_.find(c.linked);
  if (other == streams_.end()) return;
  Connection& caller = c.stream.inbound ? *other->second : c;
  Connection& callee = c.stream.inbound ? c : *other->second;
  while (!caller.calls_to_link.empty() && !callee.sessions_to_link.empty()) {
    const PendingPtr call = std::move(caller.calls_to_link.front());
    const uint64_t id = callee.sessions_to_link.front();
    caller.calls_to_link.pop_front(), callee.sessions_to_link.pop_front();
    call->call.linked_session = id;
    if (const auto s = sessions_.find(id); s != sessions_.end()) s->second->cause = call;
  }
}

void Assembler::data(const Event& e) {
  if (const auto peer = datagram_peer_.find(e.thread); peer != datagram_peer_.end()) {
    const DatagramPeer known = peer->second;
    if (!e.more || known.stream != e.stream) datagram_peer_.erase(peer);
    // A connected socket has one peer, however its datagrams are read.
    if (known.stream == e.stream && streams_.count(e.stream) == 0) {
      datagram_data(e, known.peer);
      return;
    }
  }
  Connection* found = find_stream(e);
  if (found == nullptr) {
    stats_.bytes_unknown_stream += e.data.size();
    return;
  }
  Connection& c = *found;
  c.in_progress = false;
  c.stream.holders.insert(e.pid);
  const uint64_t tag = !c.stream.inbound && e.out ? tag_write(e) : 0;
  if (c.stream.inbound && e.out && !unresolved_.empty()) {
    // The session whose answer this thread writes now is the one it worked for.
    const auto first = c.exchanges.empty() ? c.begun.end() : c.begun.begin();
    uint64_t session = 0;
    if (!c.exchanges.empty()) {
      uint64_t least = UINT64_MAX;
      for (const auto& [exchange, id] : c.exchanges) {
        if (exchange < least) least = exchange, session = id;
      }
    } else if (first != c.begun.end()) {
      session = *first;
    }
    if (session != 0) hand_off(e.thread, e.pid, session);
  }
  std::vector<FramedMessage> messages;
  c.stream.data(e, tag, messages);
  handle(c, messages, e.at_ns);
}

void Assembler::datagram_data(const Event& e, const Address& peer) {
  std::map<Address, uint64_t>& peers = datagram_streams_[e.stream];
  if (peers.size() >= kMostPeers && peers.count(peer) == 0) {
    end_datagrams(e.stream, e);
    remove_ended();
    datagram_data(e, peer);
    return;
  }
  auto [it, fresh] = peers.try_emplace(peer, next_datagram_stream_);
  if (fresh) {
    ++next_datagram_stream_;
    Event open = e;
    open.type = EventType::kOpen;
    open.data.clear();
    open.stream = it->second;
    open.kind = e.out ? OpenKind::kConnect : OpenKind::kAccept;
    open.transport = Transport::kUdp;
    open.peer = peer;
    open.value = 0;
    open_stream(open);
  }
  const auto stream = streams_.find(it->second);
  if (stream == streams_.end()) return;
  Event moved = e;
  moved.stream = it->second;
  Connection& c = *stream->second;
  const uint64_t tag = e.out && !c.stream.inbound ? tag_write(e) : 0;
  moved.offset = c.stream.next_offset(c.stream.dir_of(e.out));
  std::vector<FramedMessage> messages;
  c.stream.data(moved, tag, messages);
  handle(c, messages, e.at_ns);
}

void Assembler::process(const Event& e) {
  if (e.value == 1) {
    // Told by parent and child, and by the child perhaps much later: the first one is right.
    if (!alive_.insert(e.pid).second) return;
    for (auto& [id, c] : streams_) {
      if (c->stream.holders.count(e.parent) != 0) c->stream.holders.insert(e.pid);
    }
    return;
  }
  // A new image has closed what was close-on-exec, and what it kept it will adopt; a dead one has
  // closed everything.
  if (e.value == 0) {
    alive_.insert(e.pid);
  } else {
    alive_.erase(e.pid);
  }
  std::erase_if(adopted_, [&](const auto& a) { return a.second.pid == e.pid; });
  for (auto& [id, c] : streams_) {
    if (c->stream.holders.erase(e.pid) == 0 || !c->stream.holders.empty()) continue;
    std::vector<FramedMessage> messages;
    c->stream.end(e.at_ns, messages);
    handle(*c, messages, e.at_ns);
    ended_.push_back(id);
  }
}

void Assembler::end_stream(Connection& c, const Event& e) {
  std::vector<FramedMessage> messages;
  Stream& s = c.stream;
  const auto fail_connect = [&](Event failed) {
    failed.peer = s.peer;
    failed.local = s.local;
    failed.transport = s.transport;
    failed_connect(failed);
  };
  switch (e.type) {
    case EventType::kEof:
      s.end_of(s.dir_of(false), e.at_ns, messages);
      break;
    case EventType::kShutdown:
      if (e.value == 1 || e.value == 2) s.end_of(s.dir_of(true), e.at_ns, messages);
      break;
    case EventType::kError:
      for (auto& [exchange, call] : c.calls) call->call.error = static_cast<int32_t>(e.value);
      if (c.in_progress && !s.inbound) fail_connect(e);
      s.end(e.at_ns, messages);
      break;
    case EventType::kClose:
      s.holders.erase(e.pid);
      if (!s.holders.empty()) return;
      if (s.inbound && (!c.begun.empty() || !c.exchanges.empty())) return close_later(c, e.at_ns);
      s.end(e.at_ns, messages);
      break;
    case EventType::kConnected:
      c.in_progress = false;
      if (e.value == 0) return;
      fail_connect(e);
      s.end(e.at_ns, messages);
      break;
    default:
      return;
  }
  handle(c, messages, e.at_ns);
  if (s.ended()) ended_.push_back(s.id);
}

// A request without its answer yet. The thread that wrote the answer may have been stopped before it
// could tell, while another one saw the client go and closed: its record is still to come.
void Assembler::close_later(Connection& c, int64_t at_ns) {
  for (uint64_t session : c.begun) attributor_.answered(session, at_ns);
  for (const auto& [exchange, session] : c.exchanges) attributor_.answered(session, at_ns);
  closing_.emplace_back(at_ns + options_.late_record_ns, c.stream.id);
}

void Assembler::close_due(int64_t now_ns) {
  size_t n = 0;
  for (; n < closing_.size() && closing_[n].first <= now_ns; ++n) {
    const auto it = streams_.find(closing_[n].second);
    if (it == streams_.end()) continue;
    std::vector<FramedMessage> messages;
    it->second->stream.end(closing_[n].first, messages);
    handle(*it->second, messages, closing_[n].first);
    ended_.push_back(it->first);
  }
  closing_.erase(closing_.begin(), closing_.begin() + static_cast<long>(n));
  remove_ended();
}

// The socket is closed, or has met too many peers: all its streams end.
void Assembler::end_datagrams(uint64_t socket, const Event& e) {
  const auto it = datagram_streams_.find(socket);
  if (it == datagram_streams_.end()) return;
  const std::map<Address, uint64_t> peers = std::move(it->second);
  datagram_streams_.erase(it);
  for (const auto& [peer, id] : peers) {
    const auto stream = streams_.find(id);
    if (stream == streams_.end()) continue;
    std::vector<FramedMessage> messages;
    stream->second->stream.end(e.at_ns, messages);
    handle(*stream->second, messages, e.at_ns);
    ended_.push_back(id);
  }
}

void Assembler::remove_ended() {
  for (uint64_t id : ended_) {
    const auto it = streams_.find(id);
    if (it == streams_.end()) continue;
    Connection& c = *it->second;
    for (auto& [exchange, call] : c.calls) {
      call->call.incomplete = !call->call.answered;
      call->done = true;
    }
    const auto mark = [&](uint64_t session) {
      if (Open* open = sessions_.count(session) ? sessions_[session].get() : nullptr;
          open != nullptr && open->answered_ns == 0) {
        hand_out(session, true);
      }
    };
    std::vector<uint64_t> left(c.begun.begin(), c.begun.end());
    for (const auto& [exchange, session] : c.exchanges) left.push_back(session);
    std::sort(left.begin(), left.end());
    for (uint64_t session : left) mark(session);
    const Stream& s = c.stream;
    stats_.bytes.bytes_in += s.stats().bytes_in, stats_.bytes.delivered += s.stats().delivered;
    stats_.bytes.repeated += s.stats().repeated, stats_.bytes.missing += s.stats().missing;
    stats_.streams_opaque += s.opaque();
    stats_.opaque_bytes += s.opaque_bytes();
    stats_.streams_raw += s.protocol() == wire::Protocol::kRaw;
    half_links_.erase(reprise::to_string(s.local) + ">" + reprise::to_string(s.peer));
    if (const auto path = unix_connects_.find(s.peer.ip_or_path); path != unix_connects_.end()) {
      std::erase(path->second, id);
      if (path->second.empty()) unix_connects_.erase(path);
    }
    streams_.erase(it);
  }
  ended_.clear();
}

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

void Assembler::give_outside(const PendingPtr& p) { outside_.push_back(p); }

void Assembler::hand_out(uint64_t id, bool incomplete) {
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return;
  Open& open = *it->second;
  // Calls that only the window speaks for: one candidate is likely, more stay ambiguous.
  for (auto thread = unresolved_.begin(); thread != unresolved_.end();) {
    std::erase_if(thread->second, [&](const PendingPtr& p) {
      const auto& candidates = p->found.sessions;
      if (std::find(candidates.begin(), candidates.end(), id) == candidates.end()) return false;
      if (candidates.size() == 1) {
        p->session = id;
        open.calls.push_back(p);
      } else {
        give_outside(p);
      }
      return true;
    });
    thread = thread->second.empty() ? unresolved_.erase(thread) : std::next(thread);
  }
  attributor_.forget(id);
  Session s = std::move(open.session);
  s.incomplete = incomplete || s.inbound.incomplete;
  if (s.inbound.protocol == wire::Protocol::kUnknown && s.inbound.request.empty()) {
    s.inbound.incomplete = true;
  }
  std::stable_sort(open.calls.begin(), open.calls.end(),
                   [](const PendingPtr& a, const PendingPtr& b) {
                     return a->call.request_ns < b->call.request_ns;
                   });
  for (const PendingPtr& p : open.calls) {
    Call& call = p->call;
    call.confidence = p->found.confidence;
    call.evidence = p->found.evidence;
    if (!p->done) call.incomplete = true;
    p->given = true;
    s.calls.push_back(p->done ? std::move(call) : call);
    ++stats_.calls_in_session;
  }
  if (open.cause != nullptr) s.parent = open.cause->session;
  if (const auto c = streams_.find(open.stream); c != streams_.end()) {
    std::erase(c->second->begun, id);
    if (open.requested) {
      std::erase_if(c->second->exchanges, [&](const auto& e) { return e.second == id; });
    }
  }
  ++stats_.sessions;
  stats_.sessions_incomplete += s.incomplete;
  sessions_.erase(it);
  on_session_(std::move(s));
}

void Assembler::flush_outside(bool all) {
  Session group[2];
  group[0].kind = SessionKind::kStartUp;
  group[1].kind = SessionKind::kBackground;
  std::vector<PendingPtr> keep;
  for (const PendingPtr& p : outside_) {
    // A pool that is opened at start-up may wait long for its first answer; so may a blocking read.
    if (!p->done && !all && last_ns_ - p->call.request_ns < options_.late_call_ns) {
      keep.push_back(p);
      continue;
    }
    if (!p->done) p->call.incomplete = true;
    p->call.confidence = p->found.confidence;
    p->call.evidence = p->found.evidence;
    p->call.candidates = p->found.sessions;
    p->given = true;
    ++(p->found.sessions.empty() ? stats_.calls_outside : stats_.calls_ambiguous);
    Session& s = group[p->found.sessions.empty() && !had_inbound_ ? 0 : 1];
    s.calls.push_back(p->done ? std::move(p->call) : p->call);
  }
  outside_ = std::move(keep);
  for (Session& s : group) {
    if (!s.calls.empty()) on_session_(std::move(s));
  }
}

void Assembler::tick(int64_t now_ns) {
  last_ns_ = std::max(last_ns_, now_ns);
  if (!closing_.empty()) close_due(now_ns);
  for (auto& [id, c] : streams_) {
    if (!c->stream.has_hole()) continue;
    std::vector<FramedMessage> messages;
    c->stream.give_up_holes(now_ns - options_.hole_ns, messages);
    handle(*c, messages, now_ns);
  }
  std::vector<uint64_t> later;
  size_t seen = 0;
  for (; seen < due_.size(); ++seen) {
    const uint64_t id = due_[seen];
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) continue;
    const Open& open = *it->second;
    const int64_t age = now_ns - open.answered_ns;
    if (age < options_.answer_grace_ns && age < options_.late_call_ns) break;  // as are those behind it
    const bool calls_done = std::all_of(open.calls.begin(), open.calls.end(),
                                        [](const PendingPtr& p) { return p->done; });
    if ((calls_done && open.requested) || age >= options_.late_call_ns) {
      hand_out(id, !open.requested);
    } else {
      later.push_back(id);
    }
  }
  due_.erase(due_.begin(), due_.begin() + static_cast<long>(seen));
  due_.insert(due_.begin(), later.begin(), later.end());
  if (now_ns - idle_looked_ns_ > std::min<int64_t>(options_.idle_ns / 4, 1'000'000'000)) {
    idle_looked_ns_ = now_ns;
    std::vector<uint64_t> idle;
    for (const auto& [id, open] : sessions_) {
      if (open->answered_ns == 0 && now_ns - open->moved_ns > options_.idle_ns) idle.push_back(id);
    }
    for (uint64_t id : idle) hand_out(id, true);
  }
  flush_outside(false);
}

void Assembler::finish(int64_t now_ns) {
  last_ns_ = std::max(last_ns_, now_ns);
  for (auto& [id, c] : streams_) {
    std::vector<FramedMessage> messages;
    c->stream.end(now_ns, messages);
    handle(*c, messages, now_ns);
    ended_.push_back(id);
  }
  remove_ended();
  std::vector<uint64_t> rest;
  for (const auto& [id, open] : sessions_) rest.push_back(id);
  std::sort(rest.begin(), rest.end());
  for (uint64_t id : rest) hand_out(id, sessions_[id]->answered_ns == 0);
  for (auto& [thread, calls] : unresolved_) {
    for (const PendingPtr& p : calls) give_outside(p);
  }
  unresolved_.clear();
  flush_outside(true);
}

AssemblerStats Assembler::stats() const {
  AssemblerStats s = stats_;
  for (const auto& [id, c] : streams_) {
    s.bytes.bytes_in += c->stream.stats().bytes_in,
        s.bytes.delivered += c->stream.stats().delivered;
    s.bytes.repeated += c->stream.stats().repeated, s.bytes.missing += c->stream.stats().missing;
    s.opaque_bytes += c->stream.opaque_bytes();
  }
  return s;
}

}  // namespace reprise::session
