#include "session/attribution.h"

#include <algorithm>

namespace reprise::session {

namespace {

constexpr int64_t kAfterAnswerNs = 1000000000;
constexpr size_t kMostLast =
    16384;  // threads remembered before those that ended long ago are sought

template <class Map, class Key>
void remove_from(Map& map, const Key& key, uint64_t session) {
  const auto it = map.find(key);
  if (it == map.end()) return;
  const auto at = std::find(it->second.begin(), it->second.end(), session);
  if (at != it->second.end()) it->second.erase(at);
  if (it->second.empty()) map.erase(it);
}

}  // namespace

std::vector<std::string> trace_ids(const Leaves& request) {
  std::vector<std::string> ids;
  for (const Leaf& leaf : request) {
    std::string_view path = leaf.path;
    if (path.substr(0, 7) == "header.") {
      path.remove_prefix(7);
    } else if (path.substr(0, 11) == "param.HTTP_") {
      path.remove_prefix(11);  // FastCGI
    } else {
      continue;
    }
    const std::string_view value = leaf.text;
    if (iequals(path, "traceparent") && value.size() >= 35) {
      ids.emplace_back(value.substr(3, 32));  // version-traceid-...: W3C Trace Context
    } else if (iequals(path, "b3") || iequals(path, "uber-trace-id")) {
      ids.emplace_back(value.substr(0, value.find_first_of("-:")));
    } else if (iequals(path, "x-b3-traceid") || iequals(path, "x-b3_traceid") ||
               iequals(path, "x-request-id") || iequals(path, "x_request_id") ||
               iequals(path, "x-correlation-id")) {
      ids.emplace_back(value);
    }
  }
  std::erase_if(ids, [](const std::string& id) { return id.size() < 8; });
  return ids;
}

void Attributor::open(uint64_t session, uint32_t pid, uint64_t thread, int64_t) {
  open_[session] = {pid, thread, {}};
  by_thread_[thread].push_back(session);
  by_pid_[pid].push_back(session);
  last_.erase(thread);
}

void Attributor::trace(uint64_t session, const Leaves& request) {
  const auto it = open_.find(session);
  if (it == open_.end()) return;
  for (std::string& id : trace_ids(request)) {
    by_trace_[id].push_back(session);
    it->second.traces.push_back(std::move(id));
  }
}

void Attributor::answered(uint64_t session, int64_t at_ns) {
  const auto it = open_.find(session);
  if (it == open_.end()) return;
  const Open o = it->second;
  forget(session);
  last_[o.thread] = {session, at_ns};
  if (last_.size() < last_limit_) return;
  std::erase_if(last_,
                [&](const auto& l) { return at_ns - l.second.answered_ns > kAfterAnswerNs; });
  last_limit_ = std::max(kMostLast, last_.size() * 2);
}

void Attributor::forget(uint64_t session) {
  const auto it = open_.find(session);
  if (it == open_.end()) return;
  remove_from(by_thread_, it->second.thread, session);
  remove_from(by_pid_, it->second.pid, session);
  for (const std::string& id : it->second.traces) remove_from(by_trace_, id, session);
  open_.erase(it);
}

Attribution Attributor::of_write(uint32_t pid, uint64_t thread, int64_t at_ns) const {
  if (const auto it = by_thread_.find(thread); it != by_thread_.end()) {
    if (it->second.size() == 1) return {Confidence::kCertain, Evidence::kThread, it->second};
    return {Confidence::kAmbiguous, Evidence::kWindow, it->second};
  }
  if (const auto it = last_.find(thread);
      it != last_.end() && at_ns - it->second.answered_ns <= kAfterAnswerNs) {
    return {Confidence::kLikely, Evidence::kAfterAnswer, {it->second.session}};
  }
  if (const auto it = by_pid_.find(pid); it != by_pid_.end()) {
    return {it->second.size() == 1 ? Confidence::kLikely : Confidence::kAmbiguous,
            Evidence::kWindow, it->second};
  }
  return {};
}

Attribution Attributor::refine(Attribution found, const Leaves& request) const {
  if (by_trace_.empty()) return found;
  for (const std::string& id : trace_ids(request)) {
    const auto it = by_trace_.find(id);
    if (it != by_trace_.end() && it->second.size() == 1) {
      return {Confidence::kCertain, Evidence::kTraceHeader, it->second};
    }
  }
  return found;
}

}  // namespace reprise::session
