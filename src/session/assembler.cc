#include "session/assembler_parts.h"

namespace reprise::session {

using wire::Dir;
using wire::Role;

namespace {
constexpr size_t kMostTagWeight = 1u << 20;
constexpr size_t kMostUnlinked = 64;  // messages of a connection whose other end is not known
constexpr size_t kMostPeers = 4096;   // streams of one unconnected datagram socket
}  // namespace

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
    stats_.unframed_bytes += s.unframed_bytes();
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

}  // namespace reprise::session
