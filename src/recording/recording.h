// A recording: a folder, mode 0700, files 0600.
//
//   manifest.json       what was recorded, how, and whether it was finished
//   sessions.rps        blocks of sessions
//   journal.rpj         blocks of events, while recording, or with --keep-journal
//   ledger.json         what came in, went out and was lost, by stage
//   catalogue.sqlite    an index for searching; may be deleted at any time
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "recording/block.h"
#include "session/model.h"

namespace reprise::recording {

constexpr int kFormat = 1;

struct Manifest {
  int format = kFormat;
  std::string program_version;
  uint32_t hook_abi = 0;
  int64_t started_ns = 0;
  int64_t ended_ns = 0;  // 0: still recording, or cut short
  std::string host;
  std::string kernel;
  std::vector<std::string> command;
  std::string directory;
  std::vector<std::string> environment;  // names only: values hold secrets
  std::vector<session::Listener> listeners;
  std::vector<session::Resolution> names;
  std::string source;  // "hook", "packets"
  bool redacted = false;
  std::vector<std::string> notes;  // limits met while recording, for a person

  std::string to_json() const;
  static Result<Manifest> from_json(const std::string& text);
};

// Counts of one stage. Within a stage: in = out + the sum of lost.
struct LedgerStage {
  std::string name;  // "arena", "streams", ...
  std::string unit;  // "records", "bytes", "calls", "sessions"
  uint64_t in = 0;
  uint64_t out = 0;
  std::vector<std::pair<std::string, uint64_t>> lost;  // cause, count (a count of 0 is not kept)
};
struct Ledger {
  std::vector<LedgerStage> stages;

  bool balanced() const;
  uint64_t total_lost() const;
  std::string to_json() const;
  static Result<Ledger> from_json(const std::string& text);
};

class Writer {
 public:
  // Makes the folder; it must not exist, or be empty. journal: whether events go to a file.
  static Result<Writer> create(const std::string& folder, const Manifest& manifest, bool journal);

  Status add(const session::Event& event);
  Status add(const session::Session& session);
  // Every event given so far is with the kernel: the ring may release it.
  Status flush_events();
  Status flush_sessions();
  Status write_manifest(const Manifest& manifest);
  Status write_ledger(const Ledger& ledger);
  // Flushes all; without keep_journal the journal goes.
  Status finish(const Manifest& manifest, const Ledger& ledger, bool keep_journal);

  // Takes everything back: nothing was recorded. The folder goes too, if create() made it.
  void discard();

  const std::string& folder() const { return folder_; }
  uint64_t bytes_written() const;
  // Records of sessions and calls outside them: given, and lost for want of disk.
  uint64_t sessions_added() const { return sessions_.records_added(); }
  uint64_t sessions_lost() const { return sessions_.records_lost(); }

 private:
  std::string folder_;
  bool made_folder_ = false;
  BlockWriter sessions_;
  std::unique_ptr<BlockWriter> journal_;
  Bytes scratch_;
};

// Everything readable of a recording.
class Reader {
 public:
  static Result<Reader> open(const std::string& folder);

  const Manifest& manifest() const { return manifest_; }
  const Ledger& ledger() const { return ledger_; }
  bool has_journal() const { return has_journal_; }

  // Calls visit for each session in the order written, until it returns false.
  Status for_each(const std::function<bool(session::Session&&)>& visit);
  // One session: by the index where the file has one, else by reading on until it comes.
  Result<std::optional<session::Session>> find(uint64_t id);
  Result<std::vector<session::Session>> all();
  Status for_each_event(const std::function<bool(session::Event&&)>& visit);
  // What could not be read, of all files read so far.
  const std::vector<Damage>& damage() const { return damage_; }

 private:
  std::string folder_;
  Manifest manifest_;
  Ledger ledger_;
  bool has_journal_ = false;
  std::vector<Damage> damage_;
};

}  // namespace reprise::recording
