// Records a process tree through the observing hook: arena -> journal -> assembly -> sessions.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "capture/arena.h"
#include "recording/recording.h"
#include "session/assembler.h"

namespace reprise::run {

struct RecordOptions {
  std::string folder;
  std::vector<std::string> command;
  std::vector<int> ignored_signals;  // that the command finds ignored, though we handle them
  std::string hook_library;          // path of libreprise-observe.so
  uint64_t arena_bytes = 64u << 20;
  uint32_t lossless_wait_us = 0;     // how long a thread of the subject may wait for space
  uint64_t message_limit = 16u << 20;
  bool keep_journal = false;
  std::string inbound;               // only these listeners, as flow::EndpointList; empty: all
  std::string bypass;                // streams to and from these are not recorded
  std::string redact_rules;          // path of the rules; with them no journal is written
};

struct RecordProgress {
  int64_t elapsed_ns = 0;
  uint64_t sessions = 0;
  uint64_t calls = 0;
  uint64_t bytes = 0;      // of payload
  uint64_t written = 0;    // on disk
  uint64_t lost = 0;       // records
  size_t open = 0;         // sessions in flight
};

struct RecordResult {
  recording::Manifest manifest;
  recording::Ledger ledger;
  session::AssemblerStats stats;
  capture::ArenaStats arena;
  int status = 0;  // of the command, as waitpid gives it
  bool stopped = false;  // by a signal to us
};

// Runs until the whole process tree has ended, or stop becomes true: then the tree is asked to end
// (SIGTERM, after ten seconds SIGKILL). Everything seen is on disk when it returns, also on failure.
// progress is called about five times a second.
Result<RecordResult> record(const RecordOptions& options, const std::atomic<bool>& stop,
                            const std::function<void(const RecordProgress&)>& progress);

}  // namespace reprise::run
