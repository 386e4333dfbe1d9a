// One lane: a stage with one instance of the subject, its mock and its driver, on one thread. It replays
// one session at a time, so every call that arrives while a session runs is that session's.
#pragma once

#include <atomic>
#include <memory>
#include <unordered_map>

#include "drive/client.h"
#include "mock/server.h"
#include "run/plan.h"
#include "run/replay.h"
#include "sandbox/stage.h"

namespace reprise::run {

class Lane {
 public:
  Lane(const ReplayOptions& options, const Plan& plan, int number, const std::atomic<bool>& stop);
  ~Lane();

  // Builds the stage, starts the subject, waits until it listens.
  Status open();
  SessionResult run(const PlannedSession& session);
  // How the subject ended by itself, if it did so by a signal or with an error; empty: it did not.
  std::string untimely_end();
  // Ends the subject; what is left to tell is in the results.
  void close();

  std::string mode() const { return stage_ != nullptr ? stage_->mode() : ""; }
  std::vector<std::string> notes() const { return stage_ != nullptr ? stage_->notes() : notes_; }
  std::vector<CallResult> take_outside() { return std::move(outside_); }
  std::vector<sandbox::Leak> leaks();

 private:
  Status build_stage();
  Status start_subject();
  Status wait_until_listening();
  void on_served(const mock::Served& served);
  CallResult describe(const mock::Served& served) const;
  Result<drive::Client*> client_for(const PlannedSession& planned);
  void set_refused(const std::vector<Address>& refused);
  void set_clock(int64_t recorded_ns);
  void wait_for_late_calls(const PlannedSession& planned);
  void judge(const PlannedSession& planned, const drive::Exchange& exchange, SessionResult& result);
  std::string ending();

  const ReplayOptions& options_;
  const Plan& plan_;
  const int number_;
  const std::atomic<bool>& stop_;
  std::vector<std::string> notes_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<sandbox::Stage> stage_;
  mock::MatcherOptions matching_;
  mock::SharedPools shared_;
  std::unique_ptr<mock::Matcher> matcher_;
  std::unique_ptr<mock::Server> server_;
  std::unordered_map<uint64_t, std::unique_ptr<drive::Client>> clients_;  // by recorded stream
  std::vector<Address> refused_;
  bool in_session_ = false;
  std::vector<CallResult> calls_;                       // of the session
  std::vector<const session::Call*> answered_by_;       // parallel to calls_
  std::vector<CallResult> outside_;
};

}  // namespace reprise::run
