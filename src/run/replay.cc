#include "run/replay.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include "net/loop.h"
#include "recording/catalogue.h"
#include "run/lane.h"
#include "run/plan.h"

namespace reprise::run {

namespace {

// Connections go to lanes whole, so that each keeps its order.
std::vector<std::vector<const PlannedSession*>> distribute(const Plan& plan, int lanes) {
  std::vector<std::vector<const PlannedSession*>> out(static_cast<size_t>(lanes));
  std::map<uint64_t, size_t> lane_of;
  size_t next = 0;
  for (const PlannedSession& s : plan.sessions) {
    const auto [it, fresh] = lane_of.try_emplace(s.session->inbound.stream, next);
    if (fresh) next = (next + 1) % out.size();
    out[it->second].push_back(&s);
  }
  return out;
}

class Run {
 public:
  Run(const ReplayOptions& options, const Plan& plan, const std::atomic<bool>& stop,
      const std::function<void(const ReplayProgress&)>& progress)
      : options_(options), plan_(plan), stop_(stop), progress_(progress) {}

  Result<RunResult> go() {
    started_ns_ = net::Loop::now_ns();
    result_.recording = options_.folder;
    result_.notes = plan_.notes;
    const auto shares = distribute(plan_, options_.lanes);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < shares.size(); ++i) {
      if (shares[i].empty()) continue;
      threads.emplace_back([this, i, &shares] { drive_lane(static_cast<int>(i), shares[i]); });
    }
    for (std::thread& t : threads) t.join();
    if (result_.sessions.empty() && failed_) return fail(*failed_);
    if (failed_) result_.notes.push_back(failed_->message);
    std::sort(result_.sessions.begin(), result_.sessions.end(),
              [](const SessionResult& a, const SessionResult& b) { return a.id < b.id; });
    result_.elapsed_ns = net::Loop::now_ns() - started_ns_;
    return std::move(result_);
  }

 private:
  void drive_lane(int number, const std::vector<const PlannedSession*>& share) {
    auto lane = std::make_unique<Lane>(options_, plan_, number, stop_);
    if (auto s = lane->open(); !s) {
      lane->close();
      const std::lock_guard lock(mutex_);
      if (!failed_) failed_ = s.error();
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      result_.stage_mode = lane->mode();
      for (std::string& n : lane->notes()) {
        if (std::find(result_.notes.begin(), result_.notes.end(), n) == result_.notes.end()) {
          result_.notes.push_back(std::move(n));
        }
      }
    }
    for (const PlannedSession* planned : share) {
      if (stop_) break;
      SessionResult r = lane->run(*planned);
      const bool gone = r.outcome == Outcome::kCrashed || r.outcome == Outcome::kHung;
      keep(std::move(r));
      if (!gone || planned == share.back()) continue;
      // The next session gets a fresh subject.
      gather(*lane);
      lane->close();
      lane = std::make_unique<Lane>(options_, plan_, number, stop_);
      if (auto s = lane->open(); !s) {
        const std::lock_guard lock(mutex_);
        if (!failed_) failed_ = s.error();
        break;
      }
    }
    if (!stop_) blame_last(*lane, share);
    gather(*lane);
    lane->close();
  }

  // A program that died after its last answer has not behaved as recorded.
  void blame_last(Lane& lane, const std::vector<const PlannedSession*>& share) {
    const std::string end = lane.untimely_end();
    if (end.empty()) return;
    const std::lock_guard lock(mutex_);
    for (SessionResult& r : result_.sessions) {
      if (r.id != share.back()->session->id || r.outcome == Outcome::kCrashed) continue;
      r.outcome = Outcome::kCrashed;
      r.reason = end;
    }
  }

  void gather(Lane& lane) {
    std::vector<CallResult> outside = lane.take_outside();
    const std::vector<sandbox::Leak> leaks = lane.leaks();
    const std::lock_guard lock(mutex_);
    for (CallResult& c : outside) result_.outside.push_back(std::move(c));
    for (const sandbox::Leak& l : leaks) {
      const std::string to = to_string(l.to);
      const auto it = std::find_if(result_.leaks.begin(), result_.leaks.end(), [&](const LeakResult& k) {
        return k.to == to && k.protocol == l.protocol;
      });
      if (it != result_.leaks.end()) {
        ++it->count;
      } else {
        result_.leaks.push_back({to, l.protocol, 1});
      }
    }
  }

  void keep(SessionResult r) {
    const std::lock_guard lock(mutex_);
    differ_ += r.outcome != Outcome::kSame;
    result_.sessions.push_back(std::move(r));
    const int64_t now = net::Loop::now_ns();
    if (!progress_ || now - shown_ns_ < 200'000'000) return;
    shown_ns_ = now;
    progress_({result_.sessions.size(), plan_.sessions.size(), differ_, now - started_ns_});
  }

  const ReplayOptions& options_;
  const Plan& plan_;
  const std::atomic<bool>& stop_;
  const std::function<void(const ReplayProgress&)>& progress_;
  std::mutex mutex_;
  RunResult result_;
  std::optional<Error> failed_;
  size_t differ_ = 0;
  int64_t started_ns_ = 0;
  int64_t shown_ns_ = 0;
};

}  // namespace

Result<RunResult> replay(const ReplayOptions& options, const std::atomic<bool>& stop,
                         const std::function<void(const ReplayProgress&)>& progress) {
  std::set<uint64_t> found;
  if (!options.filter.empty()) {
    REPRISE_ASSIGN(const recording::Catalogue catalogue, recording::Catalogue::open(options.folder));
    REPRISE_ASSIGN(const std::vector<recording::CatalogueRow> rows,
                   catalogue.find(options.filter, SIZE_MAX >> 1));
    for (const recording::CatalogueRow& row : rows) found.insert(row.id);
  }
  REPRISE_ASSIGN(const std::unique_ptr<Plan> plan,
                 make_plan(options.folder, [&](const session::Session& s) {
                   if (!options.sessions.empty() && options.sessions.count(s.id) == 0) return false;
                   return options.filter.empty() || found.count(s.id) != 0;
                 }));
  if (plan->sessions.empty()) {
    return fail("nothing to replay in " + options.folder, "`reprise show " + options.folder + "` lists its sessions",
                ErrorKind::kUsage);
  }
  if (plan->manifest.command.empty() && options.command.empty()) {
    return fail("the recording names no command", "give one after --", ErrorKind::kUsage);
  }
  return Run(options, *plan, stop, progress).go();
}

}  // namespace reprise::run
