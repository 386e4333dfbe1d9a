#include "run/recover.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "run/ledger.h"
#include "session/encode.h"

namespace reprise::run {

namespace {

using session::Event;

// The journal holds events as they were drained: each thread in order, threads within this of each other.
constexpr int64_t kWindowNs = 1'000'000'000;
constexpr size_t kSortEvery = 4096;

// Hands events to the assembler in the order of their time.
class Sorter {
 public:
  explicit Sorter(session::Assembler& assembler) : assembler_(assembler) {}

  void add(Event&& e) {
    newest_ns_ = std::max(newest_ns_, e.at_ns);
    waiting_.push_back(std::move(e));
    if (waiting_.size() >= due_) give(newest_ns_ - kWindowNs);
  }
  void finish() {
    give(INT64_MAX);
    assembler_.finish(newest_ns_);
  }
  int64_t newest_ns() const { return newest_ns_; }

 private:
  void give(int64_t until) {
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [](const Event& a, const Event& b) { return a.at_ns < b.at_ns; });
    size_t n = 0;
    for (; n < waiting_.size() && waiting_[n].at_ns <= until; ++n) {
      assembler_.add(waiting_[n]);
      if (waiting_[n].at_ns - ticked_ns_ < 20'000'000) continue;
      ticked_ns_ = waiting_[n].at_ns;
      assembler_.tick(ticked_ns_);
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<long>(n));
    due_ = waiting_.size() + kSortEvery;
  }

  session::Assembler& assembler_;
  std::vector<Event> waiting_;
  size_t due_ = kSortEvery;
  int64_t newest_ns_ = 0;
  int64_t ticked_ns_ = 0;
};

template <class T>
void add_new(std::vector<T>& list, const T& value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

}  // namespace

Result<RecoverResult> recover(const std::string& folder) {
  REPRISE_ASSIGN(recording::Reader reader, recording::Reader::open(folder));
  if (!reader.has_journal()) {
    return fail(folder + " has no journal to recover from",
                reader.manifest().redacted ? "with redaction the journal lives in memory only"
                                           : "a finished recording keeps it only with --keep-journal");
  }
  recording::Manifest manifest = reader.manifest();
  const std::string fresh = folder + "/sessions.rps.new";
  ::unlink(fresh.c_str());
  REPRISE_ASSIGN(recording::BlockWriter out,
                 recording::BlockWriter::create(fresh, recording::BlockKind::kSessions));
  Status failed;
  Bytes scratch;
  session::Assembler assembler({}, [&](session::Session&& s) {
    if (s.kind != session::SessionKind::kInbound) s.id = 0;
    scratch.clear();
    session::encode(s, scratch);
    if (auto added = out.add(scratch, s.id); !added && failed) failed = std::move(added);
  });
  assembler.on_listener = [&](const session::Listener& l) { add_new(manifest.listeners, l); };
  assembler.on_name = [&](const session::Resolution& n) { add_new(manifest.names, n); };
  Sorter sorter(assembler);
  REPRISE_TRY(reader.for_each_event([&](Event&& e) {
    sorter.add(std::move(e));
    return true;
  }));
  sorter.finish();
  REPRISE_TRY(failed);
  REPRISE_TRY(out.finish());
  RecoverResult result{assembler.stats(), make_ledger(nullptr, assembler.stats(), true), reader.damage()};
  if (manifest.ended_ns == 0) {
    manifest.ended_ns = sorter.newest_ns();
    manifest.notes.push_back("cut short, and recovered from its journal");
  }
  if (std::rename(fresh.c_str(), (folder + "/sessions.rps").c_str()) != 0) return fail_errno("write " + folder);
  REPRISE_TRY(replace_file(folder + "/ledger.json", result.ledger.to_json()));
  REPRISE_TRY(replace_file(folder + "/manifest.json", manifest.to_json()));
  return result;
}

}  // namespace reprise::run
