#include "run/plan.h"

#include <algorithm>
#include <cstdlib>
#include <unordered_map>
#include <unordered_set>

namespace reprise::run {

using session::Call;
using session::CallKind;
using session::Session;
using session::SessionKind;
using wire::Tier;

namespace {

// Set-up calls repeat in every session; one of each is enough as a template.
class Templates {
 public:
  explicit Templates(std::vector<const Call*>& out) : out_(out) {}
  void add(const Call& call) {
    if (!call.answered) return;
    std::string key = to_string(call.peer) + "\n" + call.operation.verb;
    for (const Leaf& leaf : call.operation.leaves) key += "\n" + leaf.path + "=" + leaf.text;
    if (seen_.insert(std::move(key)).second) out_.push_back(&call);
  }

 private:
  std::vector<const Call*>& out_;
  std::unordered_set<std::string> seen_;
};

bool is_asserted(const Call& call) {
  return call.operation.tier == Tier::kCall &&
         (call.kind == CallKind::kExchange || call.kind == CallKind::kOneWay);
}

std::string why_not(const Session& s) {
  const Call& in = s.inbound;
  if (in.protocol == wire::Protocol::kTls) return "TLS: recorded without plaintext";
  if (in.request.empty()) return "the recording holds no complete request";
  if (in.request.size() < in.request_size) return "its request was cut at --limit";
  if (in.incomplete && in.answered) return "its client left in the middle of the request";
  if (in.kind == CallKind::kExchange && !in.answered) return "it was never answered in the recording";
  return {};
}

class Builder {
 public:
  Builder(Plan& plan, const std::function<bool(const Session&)>& keep)
      : plan_(plan), keep_(keep), templates_(plan.templates) {}

  void build() {
    for (const Session& s : plan_.recorded) {
      if (s.kind != SessionKind::kInbound) continue;
      by_id_[s.id] = &s;
      // Those that another recorded process calls too: it would be refused before they listen.
      if (s.inbound.transport != session::Transport::kUdp) plan_.entries.insert(s.inbound.local);
    }
    for (const session::Resolution& n : plan_.manifest.names) plan_.book.add(n);
    std::vector<const Session*> roots;
    for (const Session& s : plan_.recorded) {
      if (s.kind != SessionKind::kInbound) {
        outside(s);
      } else if (s.parent == 0 || by_id_.count(s.parent) == 0) {
        roots.push_back(&s);
      }
    }
    std::sort(roots.begin(), roots.end(),
              [](const Session* a, const Session* b) { return a->id < b->id; });
    std::unordered_map<uint64_t, size_t> last;
    for (const Session* s : roots) {
      PlannedSession planned;
      planned.session = s;
      planned.cannot = why_not(*s);
      fold(*s, planned, 0);
      if (!keep_(*s)) continue;
      if (s->inbound.answer.size() < s->inbound.answer_size) {
        plan_.message_limit = s->inbound.answer.size();
      }
      add_local(s->inbound.local);
      last[s->inbound.stream] = plan_.sessions.size();
      plan_.sessions.push_back(std::move(planned));
    }
    for (const auto& [stream, index] : last) plan_.sessions[index].last_on_stream = true;
  }

 private:
  void add_local(const Address& a) {
    if (a.family != Address::kUnix && !a.is_loopback() && !a.is_any() && !a.ip_or_path.empty()) {
      plan_.local_ips.insert(a.ip_or_path);
    }
  }

  void outside(const Session& s) {
    for (const Call& c : s.calls) {
      if (c.linked_session != 0) continue;
      note(c);
      if (c.kind == CallKind::kFailedConnect) {
        if (s.kind == SessionKind::kStartUp) plan_.refused_at_start.push_back(c.peer);
      } else if (c.operation.tier != Tier::kCall) {
        templates_.add(c);
      } else if (is_asserted(c)) {
        (s.kind == SessionKind::kStartUp ? plan_.start_up
         : c.candidates.empty()          ? plan_.background
                                         : plan_.ambiguous)
            .push_back(&c);
      }
    }
  }

  void note(const Call& c) {
    plan_.book.add(c);
    add_local(c.local);
  }

  void fold(const Session& s, PlannedSession& into, int depth) {
    for (const Call& c : s.calls) {
      if (c.linked_session != 0) {
        const auto child = by_id_.find(c.linked_session);
        if (child != by_id_.end() && depth < 32) fold(*child->second, into, depth + 1);
        continue;  // real in the replay
      }
      note(c);
      if (c.kind == CallKind::kFailedConnect) {
        into.refused.push_back(c.peer);
      } else if (c.operation.tier != Tier::kCall) {
        templates_.add(c);
      } else if (is_asserted(c)) {
        into.calls.push_back(&c);
      }
    }
  }

  Plan& plan_;
  const std::function<bool(const Session&)>& keep_;
  Templates templates_;
  std::unordered_map<uint64_t, const Session*> by_id_;
};

}  // namespace

Result<std::unique_ptr<Plan>> make_plan(const std::string& folder,
                                        const std::function<bool(const Session&)>& keep) {
  auto plan = std::make_unique<Plan>();
  REPRISE_ASSIGN(recording::Reader reader, recording::Reader::open(folder));
  plan->manifest = reader.manifest();
  REPRISE_ASSIGN(plan->recorded, reader.all());
  for (const recording::Damage& d : reader.damage()) {
    plan->notes.push_back(fmt::format("{}: {} bytes from byte {} could not be read: {}", d.file, d.bytes,
                                      d.offset, d.reason));
  }
  Builder(*plan, keep).build();
  std::string unset;
  for (const std::string& name : plan->manifest.environment) {
    if (std::getenv(name.c_str()) == nullptr && name != "_" && name != "OLDPWD" && name != "SHLVL") {
      unset += (unset.empty() ? "" : ", ") + name;
    }
  }
  if (!unset.empty()) {
    plan->notes.push_back("set when recorded, not set now (recordings keep names, not values): " + unset);
  }
  if (!plan->ambiguous.empty()) {
    plan->notes.push_back(fmt::format("{} recorded calls belong to one of several sessions; they are "
                                      "shared, and answered as nearest", plan->ambiguous.size()));
  }
  return plan;
}

}  // namespace reprise::run
