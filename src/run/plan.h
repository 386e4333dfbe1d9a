// A recording, made ready for replaying: what runs, in which order, and what answers it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "mock/book.h"
#include "mock/matcher.h"
#include "recording/recording.h"
#include "session/model.h"

namespace reprise::run {

// One session as it will be driven: a root (nobody recorded called it), with the calls of the sessions
// that it caused in other recorded processes folded in, since those edges are real in the replay.
struct PlannedSession {
  const session::Session* session = nullptr;
  std::vector<const session::Call*> calls;  // to be played, in recorded order
  std::vector<Address> refused;             // connects that failed
  bool last_on_stream = false;
  std::string cannot;  // why it cannot be replayed, empty if it can
};

struct Plan {
  recording::Manifest manifest;
  std::vector<session::Session> recorded;  // owns everything below
  std::vector<PlannedSession> sessions;    // in the order of their requests
  std::vector<const session::Call*> start_up, background, ambiguous, templates;
  std::vector<Address> refused_at_start;
  mock::Book book;
  size_t message_limit = 16u << 20;  // at which the recording cut answers
  std::set<std::string> local_ips;   // that were the subject's own
  std::set<Address> entries;         // listeners that sessions arrive at
  std::vector<std::string> notes;
};

// keep: which sessions to replay.
Result<std::unique_ptr<Plan>> make_plan(const std::string& folder,
                                        const std::function<bool(const session::Session&)>& keep);

}  // namespace reprise::run
