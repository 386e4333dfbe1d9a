// Replays a recording against a program on a stage, every dependency played from the recording.
#pragma once

#include <atomic>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "run/result.h"

namespace reprise::run {

struct ReplayOptions {
  std::string folder;
  std::vector<std::string> command;  // empty: as recorded
  int lanes = 1;
  std::set<uint64_t> sessions;       // empty: all
  std::string filter;                // words that a session must hold (recording/catalogue.h), empty: all
  bool clock = true;                 // the session's wall clock
  bool overlay = true;
  bool preload_only = false;         // no namespaces
  bool borrow = false;               // see mock::MatcherOptions
  bool nearest = false;
  int64_t start_timeout_ns = 30'000'000'000;
  int64_t answer_timeout_ns = 10'000'000'000;
  std::vector<std::string> ignore;   // paths of answers that are not compared
  std::string stage_library;
  std::string output_folder;         // of the subject's stdout and stderr, empty: discarded
  std::map<std::string, std::string> aliases;
};

struct ReplayProgress {
  size_t done = 0;
  size_t total = 0;
  size_t differ = 0;
  int64_t elapsed_ns = 0;
};

// kUsage: nothing to replay; kEnvironment: no stage, or a subject that never listens.
Result<RunResult> replay(const ReplayOptions& options, const std::atomic<bool>& stop,
                         const std::function<void(const ReplayProgress&)>& progress);

}  // namespace reprise::run
