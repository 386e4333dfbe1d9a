// The matcher.
//
// A replayed program asks its dependencies; the recording has to answer, rightly or not at all. Every
// tool of the field serves the most similar recorded answer, and so answers questions that were never
// asked: measured on synthetic traffic, 35 to 97 % of new calls. Here an answer needs proof.
//
//   1. The operation key must be equal: protocol, dependency, operation (method and path template, SQL
//      fingerprint, command).
//   2. Identity leaves (path segments, query values, SQL parameters, keys) must be equal, or be of one
//      volatile shape (uuid, time, token) and not contradict what was bound before.
//   3. Payload of a write must agree likewise: a changed argument of an UPDATE is a finding, not noise.
//      Payload of a read may drift, and the verdict says so.
//   4. Among those that are left, the one with most agreeing leaves, then the earliest.
//   5. Each is used once. A read asked again gets its last answer ("retry"); a write never.
//
// Example: recorded GET /user/1001, GET /user/1002. Live GET /user/1003: the key agrees, the segment
// 1003 is a plain value and differs from both: a miss, with /user/1001 named as the nearest.
//
// Cost: candidates are indexed by key and by a hash of what must agree (rules 2 and 3, with a volatile
// value counted by its shape), so a decision compares only those that can be accepted. Bench: with 100
// candidates of one operation, 48 us a decision when all of the key were compared, 1.6 us now.
#include "mock/matcher.h"

#include <algorithm>

#include "base/hash.h"
#include "value/shape.h"

namespace reprise::mock {

using session::Call;

const char* name(Verdict v) {
  constexpr const char* kNames[] = {"exact",   "bound",    "drift", "retry",  "borrowed", "nearest",
                                    "template", "miss",    "unused", "refused", "passed"};
  return kNames[static_cast<size_t>(v)];
}

std::string operation_key(wire::Protocol protocol, const Address& dependency, const wire::Operation& op,
                          const std::string& shape, const MatcherOptions& options) {
  std::string where = to_string(dependency);
  if (const auto it = options.aliases.find(where); it != options.aliases.end()) where = it->second;
  // A PostgreSQL driver turns a query into a prepared statement once it has seen it a few times, and
  // which connection saw it how often differs from run to run. The answers can be made to fit.
  const bool statement = protocol == wire::Protocol::kPostgres && op.tier == wire::Tier::kCall &&
                         (op.verb == "QUERY" || op.verb == "EXECUTE");
  return std::string(wire::name(protocol)) + "\n" + where + "\n" + (statement ? "SQL" : op.verb) + "\n" + shape;
}

uint64_t signature(const value::Refined& request, bool write, int64_t around_ns) {
  // A sum, so that the order of leaves does not matter (query parameters, JSON members).
  uint64_t sum = 0;
  Bytes text;
  for (const Leaf& leaf : request.leaves) {
    if (leaf.cls == LeafClass::kContext || (leaf.cls == LeafClass::kPayload && !write)) continue;
    const value::Shape shape = value::shape_of(leaf.text, around_ns);
    text = leaf.path;
    text += '\0';
    text += shape == value::Shape::kPlain ? leaf.text : std::string(value::name(shape)) + '\1';
    sum += xxh3_64(text);
  }
  return sum;
}

namespace {
std::string lookup_of(const std::string& key, const value::Refined& refined, const wire::Operation& op,
                      int64_t around_ns) {
  Bytes out = key;
  put_le64(out, signature(refined, op.effect != wire::Effect::kRead, around_ns));
  return out;
}
}  // namespace

void Pool::add(const Call& call, const MatcherOptions& options) {
  auto c = std::make_unique<Candidate>();
  c->call = &call;
  c->refined = value::refine(call.operation.leaves);
  c->key = operation_key(call.protocol, call.peer, call.operation, c->refined.shape, options);
  c->order = candidates_.size();
  c->lookup = lookup_of(c->key, c->refined, call.operation, call.request_ns);
  by_lookup_[c->lookup].push_back(c.get());
  candidates_.push_back(std::move(c));
}

const std::vector<Candidate*>* Pool::of(const std::string& lookup) const {
  const auto it = by_lookup_.find(lookup);
  return it == by_lookup_.end() ? nullptr : &it->second;
}

Matcher::Matcher(const MatcherOptions& options, SharedPools& shared) : options_(options), shared_(shared) {}

void Matcher::begin(Pool* session) {
  session_ = session;
  bindings_.clear();
}

bool Matcher::bound(const std::string& recorded, const std::string& live) const {
  return std::any_of(bindings_.begin(), bindings_.end(),
                     [&](const auto& b) { return b.first == recorded && b.second == live; });
}

Matcher::Score Matcher::compare(const Candidate& candidate, const value::Refined& live,
                                const LiveCall& call) const {
  Score s;
  s.accepted = true;
  const Leaves& recorded = candidate.refined.leaves;
  const bool write = call.operation->effect != wire::Effect::kRead;
  std::vector<bool> seen(recorded.size(), false);
  size_t hint = 0;  // leaves nearly always come in the same order
  const auto find = [&](const std::string& path) -> const Leaf* {
    for (size_t i = 0; i < recorded.size(); ++i) {
      const size_t at = (hint + i) % recorded.size();
      if (!seen[at] && recorded[at].path == path) {
        seen[at] = true;
        hint = at + 1;
        return &recorded[at];
      }
    }
    return nullptr;
  };
  const auto differ = [&](const std::string& path, const Leaf* was, const Leaf* is) {
    const LeafClass cls = was != nullptr ? was->cls : is->cls;
    if (cls == LeafClass::kContext) return;  // shown by the comparison, no evidence here
    if (was != nullptr && is != nullptr) {
      const value::Shape shape = value::shape_of(is->text, call.now_ns);
      const bool same_shape = shape != value::Shape::kPlain &&
                              shape == value::shape_of(was->text, candidate.call->request_ns);
      const bool free = std::none_of(bindings_.begin(), bindings_.end(), [&](const auto& b) {
        return (b.first == was->text) != (b.second == is->text);
      });
      if (bound(was->text, is->text) || (same_shape && free)) {
        s.volatile_differs = true;
        s.binds.emplace_back(was->text, is->text);
        return;
      }
    }
    s.differences.push_back({path, was != nullptr ? was->text : "(absent)",
                             is != nullptr ? is->text : "(absent)"});
    if (cls == LeafClass::kIdentity || write) {
      s.accepted = false;
    } else {
      s.payload_differs = true;
    }
  };
  for (const Leaf& leaf : live.leaves) {
    const Leaf* was = recorded.empty() ? nullptr : find(leaf.path);
    if (was != nullptr && was->text == leaf.text) {
      s.weight += leaf.cls == LeafClass::kContext ? 0.01 : 1;
    } else {
      differ(leaf.path, was, &leaf);
    }
  }
  for (size_t i = 0; i < recorded.size(); ++i) {
    if (!seen[i]) differ(recorded[i].path, &recorded[i], nullptr);
  }
  return s;
}

bool Matcher::from_pool(Pool& pool, const std::string& lookup, const value::Refined& live,
                        const LiveCall& call, bool reuse, Decision& out) {
  const std::vector<Candidate*>* candidates = pool.of(lookup);
  if (candidates == nullptr) return false;
  Candidate* best = nullptr;
  Score best_score;
  Candidate* used = nullptr;
  Score used_score;
  for (Candidate* c : *candidates) {
    if (c->uses > 0 && !reuse) {
      if (call.operation->effect != wire::Effect::kRead || !options_.retry_reads) continue;
      Score s = compare(*c, live, call);
      if (s.accepted && !s.payload_differs && !s.volatile_differs) {
        used = c;  // the last one wins: the freshest answer
        used_score = std::move(s);
      }
      continue;
    }
    Score s = compare(*c, live, call);
    if (!s.accepted) continue;
    // Strictly better only: among equals the earliest stands.
    if (best == nullptr || s.weight > best_score.weight + 1e-9) {
      best = c;
      best_score = std::move(s);
    }
  }
  if (best == nullptr && used == nullptr) return false;
  const bool retry = best == nullptr;
  if (retry) {
    best = used;
    best_score = std::move(used_score);
  }
  ++best->uses;
  out.answer = best->call;
  out.differences = std::move(best_score.differences);
  out.verdict = retry ? Verdict::kRetry
                : best_score.payload_differs ? Verdict::kDrift
                : best_score.volatile_differs ? Verdict::kBound : Verdict::kExact;
  for (auto& b : best_score.binds) {
    if (!bound(b.first, b.second)) bindings_.push_back(std::move(b));
  }
  return true;
}

// The like read of another session, to the letter: of several, the one asked closest to this time.
bool Matcher::borrow(const std::string& lookup, const value::Refined& live, const LiveCall& call,
                     Decision& out) const {
  const std::vector<Candidate*>* candidates = shared_.lent.of(lookup);
  if (candidates == nullptr || call.operation->effect != wire::Effect::kRead) return false;
  int64_t best = INT64_MAX;
  for (const Candidate* c : *candidates) {
    const Score s = compare(*c, live, call);
    const int64_t distance = std::abs(c->call->request_ns - call.now_ns);
    if (!s.accepted || s.payload_differs || s.volatile_differs || distance >= best) continue;
    best = distance;
    out.answer = c->call;
  }
  if (out.answer == nullptr) return false;
  out.verdict = Verdict::kBorrowed;
  out.reason = "recorded in another session";
  return true;
}

void Matcher::find_nearest(Pool& pool, const value::Refined& live, const LiveCall& call,
                           Decision& out) const {
  // By key first; else by protocol, dependency and verb.
  const std::string key =
      operation_key(call.protocol, call.dependency, *call.operation, live.shape, options_);
  const std::string prefix = key.substr(0, key.rfind('\n') + 1);
  double best = -1;
  int looked = 0;
  for (const auto& c : pool.candidates()) {
    if (c->key.compare(0, prefix.size(), prefix) != 0 || ++looked > 200) continue;
    const Score s = compare(*c, live, call);
    const double weight = s.weight - double(s.differences.size()) + (c->key == key ? 5 : 0) -
                          (c->uses > 0 ? 0.5 : 0);
    if (out.nearest != nullptr && weight <= best) continue;
    best = weight;
    out.nearest = c->call;
    out.differences = s.differences;
    if (c->key != key) {
      out.differences.insert(out.differences.begin(), {"operation", c->refined.shape, live.shape});
    }
    out.reason = c->uses > 0 && s.accepted ? "recorded, but every recording of it has been used"
                 : c->key != key           ? "no recorded call has this operation"
                                           : "no recorded call has these values";
  }
}

Decision Matcher::match(const LiveCall& call) {
  Decision out;
  const value::Refined live = value::refine(call.operation->leaves);
  const std::string key =
      operation_key(call.protocol, call.dependency, *call.operation, live.shape, options_);
  const std::string lookup = lookup_of(key, live, *call.operation, call.now_ns);
  if (call.operation->tier != wire::Tier::kCall) {
    if (from_pool(shared_.templates, lookup, live, call, true, out)) {
      out.verdict = Verdict::kTemplate;
      return out;
    }
  } else {
    if (session_ != nullptr && from_pool(*session_, lookup, live, call, false, out)) return out;
    if (session_ == nullptr && from_pool(shared_.start_up, lookup, live, call, false, out)) return out;
    if (from_pool(shared_.background, lookup, live, call, false, out)) return out;
    if (from_pool(shared_.ambiguous, lookup, live, call, false, out)) {
      out.verdict = Verdict::kNearest;
      out.reason = "recorded for one of several sessions at once";
      return out;
    }
    if (session_ != nullptr && from_pool(shared_.start_up, lookup, live, call, false, out)) return out;
  }
  out = {};
  if (options_.borrow && call.operation->tier == wire::Tier::kCall && borrow(lookup, live, call, out)) return out;
  out.reason = "no recorded call goes to this dependency with this command";
  if (session_ != nullptr) find_nearest(*session_, live, call, out);
  if (out.nearest == nullptr) find_nearest(shared_.ambiguous, live, call, out);
  if (out.nearest == nullptr) find_nearest(shared_.start_up, live, call, out);
  const bool same_operation =
      out.nearest != nullptr &&
      operation_key(out.nearest->protocol, out.nearest->peer, out.nearest->operation,
                    value::refine(out.nearest->operation.leaves).shape, options_) == key;
  if (options_.nearest && same_operation && out.nearest->answered) {
    out.verdict = Verdict::kNearest;
    out.answer = out.nearest;
  }
  return out;
}

bool Matcher::may_continue(const Address& dependency, ByteView bytes) const {
  bool longer = false;
  for (Pool* pool : {session_, &shared_.start_up, &shared_.background, &shared_.ambiguous}) {
    if (pool == nullptr) continue;
    for (const auto& c : pool->candidates()) {
      const Call& call = *c->call;
      if (c->uses > 0 || call.peer != dependency || call.request.size() < bytes.size() ||
          ByteView(call.request).substr(0, bytes.size()) != bytes) {
        continue;
      }
      if (call.request.size() == bytes.size()) return false;
      longer = true;
    }
  }
  return longer;
}

std::vector<const Call*> Matcher::unused() const {
  std::vector<const Call*> out;
  if (session_ == nullptr) return out;
  for (const auto& c : session_->candidates()) {
    if (c->uses == 0) out.push_back(c->call);
  }
  return out;
}

}  // namespace reprise::mock
