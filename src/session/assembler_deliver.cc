#include "session/assembler_parts.h"

namespace reprise::session {

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
    s.unframed_bytes += c->stream.unframed_bytes();
  }
  return s;
}

}  // namespace reprise::session
