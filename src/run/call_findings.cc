#include "run/call_findings.h"

#include <map>
#include <tuple>

#include "run/plain_text.h"

namespace reprise::run {

namespace {

using Key = std::tuple<std::string_view, std::string_view, std::string_view, std::string_view>;

class Unused {
 public:
  explicit Unused(const std::vector<CallResult>& calls) : calls_(calls), taken_(calls.size()) {
    for (size_t i = calls.size(); i-- > 0;) {
      const CallResult& c = calls[i];
      if (c.verdict != mock::Verdict::kUnused) continue;
      by_key_[key(c, c.label)].push_back(i);
      by_key_[key(c, {})].push_back(i);
    }
  }
  // The first one that is left; null if there is none. label empty: any.
  const CallResult* take(const CallResult& miss, std::string_view label) {
    const auto it = by_key_.find(key(miss, label));
    if (it == by_key_.end()) return nullptr;
    std::vector<size_t>& left = it->second;
    while (!left.empty() && taken_[left.back()]) left.pop_back();
    if (left.empty()) return nullptr;
    taken_[left.back()] = true;
    return &calls_[left.back()];
  }
  bool taken(size_t i) const { return taken_[i]; }

 private:
  static Key key(const CallResult& c, std::string_view label) {
    return {c.protocol, c.dependency, c.operation, label};
  }
  const std::vector<CallResult>& calls_;
  std::vector<bool> taken_;
  std::map<Key, std::vector<size_t>> by_key_;  // indices, the first one last
};

}  // namespace

const char* name(CallFinding::Kind k) {
  constexpr const char* kNames[] = {"new call", "missing call", "changed call", "reordered call",
                                    "repeated call"};
  return kNames[static_cast<size_t>(k)];
}

int severity(const CallFinding& f) {
  const bool write =
      (f.live != nullptr && f.live->write) || (f.recorded != nullptr && f.recorded->write);
  switch (f.kind) {
    case CallFinding::Kind::kNew:
    case CallFinding::Kind::kMissing:
    case CallFinding::Kind::kChanged:
      return write ? 3 : 2;
    case CallFinding::Kind::kReordered:
      return write ? 2 : 1;
    case CallFinding::Kind::kRepeated:
      return 1;
  }
  return 1;
}

std::vector<CallFinding> call_findings(const std::vector<CallResult>& calls) {
  Unused unused(calls);
  std::vector<const CallResult*> partner(calls.size());
  // All nearest ones first: a miss without one must not take the partner of another.
  for (size_t i = 0; i < calls.size(); ++i) {
    if (calls[i].verdict == mock::Verdict::kMiss && !calls[i].nearest.empty()) {
      partner[i] = unused.take(calls[i], calls[i].nearest);
    }
  }
  std::vector<CallFinding> out;
  for (size_t i = 0; i < calls.size(); ++i) {
    const CallResult& c = calls[i];
    using Kind = CallFinding::Kind;
    if (c.verdict == mock::Verdict::kMiss) {
      if (partner[i] == nullptr) partner[i] = unused.take(c, {});
      out.push_back({partner[i] != nullptr ? Kind::kChanged : Kind::kNew, &c, partner[i]});
    } else if (c.verdict == mock::Verdict::kDrift) {
      out.push_back({Kind::kChanged, &c, nullptr});
    } else if (c.verdict == mock::Verdict::kRetry) {
      out.push_back({Kind::kRepeated, &c, nullptr});
    }
    if (c.reordered) out.push_back({Kind::kReordered, &c, nullptr});
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    if (calls[i].verdict == mock::Verdict::kUnused && !unused.taken(i)) {
      out.push_back({CallFinding::Kind::kMissing, nullptr, &calls[i]});
    }
  }
  return out;
}

std::string text_of(const mock::Difference& d) {
  return shown(d.path, 60) + ": " + shown(d.recorded, 60) + " -> " + shown(d.live, 60);
}

}  // namespace reprise::run
