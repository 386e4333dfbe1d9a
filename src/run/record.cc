#include "run/record.h"

#include <signal.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

#include "flow/endpoints.h"
#include "flow/redact.h"
#include "hook/abi/arena.h"
#include "run/ledger.h"
#include "run/process_tree.h"

extern char** environ;

namespace reprise::run {

namespace {

using session::Event;
using session::EventType;

constexpr int64_t kGraceNs = 10'000'000;  // for stamps of threads that were preempted before publishing
constexpr int64_t kFlushNs = 500'000'000;
constexpr size_t kMostWaiting = 300'000;  // events; then the arena fills, and what it loses is counted
constexpr int64_t kPatienceNs = 10'000'000'000;  // between SIGTERM and SIGKILL
constexpr int kArenaFd = 1017;

void pause_ns(int64_t ns) {
  const timespec t = {ns / 1000000000, ns % 1000000000};
  ::nanosleep(&t, nullptr);
}

std::string working_directory() {
  char buffer[4096];
  return ::getcwd(buffer, sizeof buffer) != nullptr ? buffer : "/";
}

bool has_name(const std::string& entry, std::string_view name) {
  return entry.size() > name.size() && entry.compare(0, name.size(), name) == 0 && entry[name.size()] == '=';
}

std::vector<std::string> subject_environment(const std::string& library, int arena_fd) {
  std::vector<std::string> out;
  std::string preload = library;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string entry = *e;
    if (has_name(entry, "LD_PRELOAD")) {
      preload += ":" + entry.substr(11);
    } else if (!has_name(entry, REPRISE_ENV_ARENA_FD) && !has_name(entry, REPRISE_ENV_ARENA_PATH)) {
      out.push_back(entry);
    }
  }
  out.push_back("LD_PRELOAD=" + preload);
  out.push_back(fmt::format("{}={}", REPRISE_ENV_ARENA_FD, kArenaFd));
  out.push_back(fmt::format("{}=/proc/{}/fd/{}", REPRISE_ENV_ARENA_PATH, ::getpid(), arena_fd));
  return out;
}

// What the user left out, and what is to be taken out.
struct Rules {
  flow::EndpointList inbound;
  flow::EndpointList bypass;
  std::optional<flow::Redactor> redactor;

  bool ignores(const Event& open) const {
    if (open.kind == session::OpenKind::kAccept) {
      return (!inbound.empty() && !inbound.contains(open.local)) || bypass.contains(open.local) ||
             bypass.contains(open.peer);
    }
    return bypass.contains(open.peer);
  }
};

Result<Rules> make_rules(const RecordOptions& options) {
  Rules rules;
  const auto add = [](flow::EndpointList& list, const std::string& text, const char* option) -> Status {
    auto s = list.add(text);
    return s ? s : fail(std::string(option) + ": " + s.error().message, s.error().hint, ErrorKind::kUsage);
  };
  REPRISE_TRY(add(rules.inbound, options.inbound, "--inbound"));
  REPRISE_TRY(add(rules.bypass, options.bypass, "--bypass"));
  if (options.redact_rules.empty()) return rules;
  std::string key(32, '\0');
  if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) return fail_errno("getrandom");
  REPRISE_ASSIGN(flow::RedactRules read, flow::read_redact_rules(options.redact_rules));
  REPRISE_ASSIGN(flow::Redactor redactor, flow::Redactor::create(std::move(read), std::move(key)));
  rules.redactor.emplace(std::move(redactor));
  return rules;
}

class Recorder {
 public:
  Recorder(const RecordOptions& options, Rules rules, capture::Arena arena, recording::Writer writer,
           recording::Manifest manifest)
      : options_(options),
        rules_(std::move(rules)),
        arena_(std::move(arena)),
        writer_(std::move(writer)),
        manifest_(std::move(manifest)),
        assembler_(assembler_options(), [this](session::Session&& s) { keep(std::move(s)); }) {
    assembler_.on_listener = [this](const session::Listener& l) {
      if (std::find(manifest_.listeners.begin(), manifest_.listeners.end(), l) ==
          manifest_.listeners.end()) {
        manifest_.listeners.push_back(l);
        manifest_changed_ = true;
      }
    };
    assembler_.on_name = [this](const session::Resolution& n) {
      if (std::find(manifest_.names.begin(), manifest_.names.end(), n) == manifest_.names.end() &&
          manifest_.names.size() < 10000) {
        manifest_.names.push_back(n);
        manifest_changed_ = true;
      }
    };
  }

  // One turn: everything published is taken out, made safe, given back, assembled as far as its order
  // is known. Returns how many events there were.
  size_t turn(bool last) {
    const size_t old = waiting_.size();
    // Asked before the drain: what is published while it runs may be as old as this.
    const int64_t now = arena_.now_ns();
    if (last || old < kMostWaiting) take(last);
    const size_t count = waiting_.size() - old;
    if (now - last_liveness_ns_ > 200'000'000 || last) find_dead(arena_.now_ns());
    // An event is large: what is sorted is where each lies.
    order_.clear();
    for (uint32_t i = 0; i < waiting_.size(); ++i) order_.emplace_back(waiting_[i].at_ns, i);
    std::sort(order_.begin(), order_.end());
    const int64_t until = last ? INT64_MAX : now - kGraceNs;
    size_t n = 0;
    const size_t sorted = waiting_.size();
    while (n < order_.size() && order_[n].first <= until) {
      assembler_.add(waiting_[order_[n++].second]);
      // Assembling takes longer than copying out: the arena stays small, warm and far from full.
      if (n % 256 == 0 && !last && waiting_.size() - n < kMostWaiting) take(false);
    }
    std::vector<Event> rest;
    rest.reserve(order_.size() - n + 64);
    for (; n < order_.size(); ++n) rest.push_back(std::move(waiting_[order_[n].second]));
    for (size_t i = sorted; i < waiting_.size(); ++i) rest.push_back(std::move(waiting_[i]));
    waiting_ = std::move(rest);
    if (now - last_tick_ns_ > 20'000'000) {
      last_tick_ns_ = now;
      assembler_.tick(now - kGraceNs);
    }
    if (now - last_flush_ns_ > kFlushNs) {
      last_flush_ns_ = now;
      note(writer_.flush_sessions());
      if (manifest_changed_) note(writer_.write_manifest(manifest_));
      manifest_changed_ = false;
      note(writer_.write_ledger(make_ledger(&arena_.stats(), assembler_.stats(), false)));
    }
    return count;
  }

  // What is published goes to the journal and to waiting_, and its space back to the program.
  void take(bool last) {
    const size_t old = waiting_.size();
    arena_.drain(waiting_, last);
    for (size_t i = old; i < waiting_.size(); ++i) {
      const Event& e = waiting_[i];
      // In another PID namespace the number is somebody else's, or nobody's, here.
      if (e.type == EventType::kProcess && arena_.same_namespace(e.pid)) pids_.insert(e.pid);
      note(writer_.add(e));
    }
    note(writer_.flush_events());
    arena_.release();
  }

  Status finish() {
    while (turn(false) > 0) {
    }
    turn(true);
    assembler_.finish(arena_.now_ns());
    manifest_.ended_ns = arena_.now_ns();
    add_notes();
    note(writer_.flush_events());
    note(writer_.flush_sessions());
    // What could not be written as sessions may still be in the journal: it stays.
    note(writer_.finish(manifest_, final_ledger(), options_.keep_journal || !failed_));
    return failed_;
  }

  RecordProgress progress() {
    const session::AssemblerStats s = assembler_.stats();
    return {arena_.now_ns() - manifest_.started_ns, s.sessions, s.calls,
            arena_.stats().bytes,                   writer_.bytes_written(), lost(),
            assembler_.open_sessions()};
  }

  RecordResult result() {
    return {manifest_, final_ledger(), assembler_.stats(), arena_.stats(), 0, false};
  }
  const Status& failed() const { return failed_; }
  capture::Arena& arena() { return arena_; }

 private:
  session::AssemblerOptions assembler_options() const {
    session::AssemblerOptions o;
    o.message_limit = options_.message_limit;
    o.ignore = [this](const Event& open) { return rules_.ignores(open); };
    return o;
  }

  void keep(session::Session&& s) {
    if (s.kind != session::SessionKind::kInbound) s.id = 0;
    if (rules_.redactor) rules_.redactor->redact(s);
    note(writer_.add(s));
  }

  void note(Status s) {
    if (!s && failed_) failed_ = std::move(s);
  }

  // Processes that ended without a word (a kill, an _exit): their connections are closed.
  void find_dead(int64_t now) {
    last_liveness_ns_ = now;
    for (auto it = pids_.begin(); it != pids_.end();) {
      if (::access(fmt::format("/proc/{}", *it).c_str(), F_OK) == 0) {
        ++it;
        continue;
      }
      Event gone;
      gone.type = EventType::kProcess;
      gone.value = 2;
      gone.pid = *it;
      gone.at_ns = now;
      note(writer_.add(gone));
      waiting_.push_back(std::move(gone));
      it = pids_.erase(it);
    }
  }

  uint64_t lost() {
    uint64_t n = 0;
    for (uint64_t v : arena_.stats().lost_records) n += v;
    return n;
  }

  recording::Ledger final_ledger() {
    recording::Ledger l = make_ledger(&arena_.stats(), assembler_.stats(), true);
    const uint64_t lost = writer_.sessions_lost();
    recording::LedgerStage disk{"disk", "records", writer_.sessions_added(), writer_.sessions_added() - lost, {}};
    if (lost > 0) disk.lost.emplace_back("could not be written", lost);
    l.stages.push_back(std::move(disk));
    return l;
  }

  void add_notes() {
    const capture::ArenaStats& a = arena_.stats();
    const session::AssemblerStats s = assembler_.stats();
    auto& notes = manifest_.notes;
    if (a.unattached > 0) {
      notes.push_back(fmt::format("{} processes have too little address space (ulimit -v) for the arena and "
                                  "were not recorded: choose a smaller --arena", a.unattached));
    }
    if (a.given_up) {
      notes.push_back("the recorder stood still for 30 s with the arena full: the program stepped aside, "
                      "and what came after is not recorded");
    }
    if (a.damaged > 0) {
      notes.push_back(fmt::format("{} chunks of the arena were damaged by the program: their records are "
                                  "missing here", a.damaged));
    }
    if (s.streams_opaque > 0) {
      notes.push_back(fmt::format("{} TLS streams ({} bytes) were recorded as opaque: their calls cannot "
                                  "be shown or replayed", s.streams_opaque, s.opaque_bytes));
    }
    if (a.lost_records[hook::kLossIoUring] > 0) {
      notes.push_back("the program uses io_uring: what passes through it is not recorded");
    }
    if (a.processes == 0) {
      notes.push_back("the hook library was never loaded: the program is static, set-uid, or clears "
                      "LD_PRELOAD; run `reprise doctor` on it");
    }
  }

  const RecordOptions& options_;
  const Rules rules_;
  capture::Arena arena_;
  recording::Writer writer_;
  recording::Manifest manifest_;
  session::Assembler assembler_;
  bool manifest_changed_ = false;
  std::vector<std::pair<int64_t, uint32_t>> order_;
  std::vector<Event> waiting_;
  std::set<uint32_t> pids_;
  Status failed_;
  int64_t last_liveness_ns_ = 0;
  int64_t last_tick_ns_ = 0;
  int64_t last_flush_ns_ = 0;
};

recording::Manifest make_manifest(const RecordOptions& options, int64_t now) {
  recording::Manifest m;
  m.program_version = REPRISE_VERSION;
  m.hook_abi = hook::kArenaVersion;
  m.source = "hook";
  m.started_ns = now;
  m.command = options.command;
  m.directory = working_directory();
  for (char** e = environ; *e != nullptr; ++e) {
    const char* equals = std::strchr(*e, '=');
    if (equals != nullptr) m.environment.emplace_back(*e, static_cast<size_t>(equals - *e));
  }
  std::sort(m.environment.begin(), m.environment.end());
  utsname host;
  if (::uname(&host) == 0) {
    m.host = host.nodename;
    m.kernel = host.release;
  }
  return m;
}

}  // namespace

Result<RecordResult> record(const RecordOptions& options, const std::atomic<bool>& stop,
                            const std::function<void(const RecordProgress&)>& progress) {
  if (::access(options.hook_library.c_str(), R_OK) != 0) {
    return fail("the hook library is missing: " + options.hook_library,
                "it belongs beside the program, in ../lib", ErrorKind::kEnvironment);
  }
  if (options.hook_library.find_first_of(" :") != std::string::npos) {
    return fail("LD_PRELOAD cannot name " + options.hook_library + ": a space or colon in it",
                "install the program in a folder without them", ErrorKind::kEnvironment);
  }
  REPRISE_ASSIGN(Rules rules, make_rules(options));
  REPRISE_ASSIGN(capture::Arena arena, capture::Arena::create(options.arena_bytes, options.lossless_wait_us));
  recording::Manifest manifest = make_manifest(options, arena.now_ns());
  manifest.redacted = rules.redactor.has_value();
  REPRISE_ASSIGN(recording::Writer writer, recording::Writer::create(options.folder, manifest, !rules.redactor));
  Launch launch{options.command, subject_environment(options.hook_library, arena.fd()), arena.fd(), kArenaFd,
                options.ignored_signals};
  auto tree = ProcessTree::start(launch);
  if (!tree) {
    writer.discard();
    return fail(tree.error());
  }
  Recorder recorder(options, std::move(rules), std::move(arena), std::move(writer), std::move(manifest));
  int64_t asked_ns = 0, shown_ns = 0, idle_ns = 1'000'000;
  bool killed = false;
  while (tree->poll()) {
    const int64_t now = recorder.arena().now_ns();
    if (stop && asked_ns == 0) {
      asked_ns = now;
      tree->signal_all(SIGTERM);
    }
    if (asked_ns != 0 && !killed && now - asked_ns > kPatienceNs) {
      killed = true;
      tree->signal_all(SIGKILL);
    }
    const size_t seen = recorder.turn(false);
    // Busy: look again soon. Idle: ever less often, up to 10 ms.
    idle_ns = seen > 0 ? 500'000 : std::min<int64_t>(idle_ns * 2, 10'000'000);
    if (progress && now - shown_ns > 200'000'000) {
      shown_ns = now;
      progress(recorder.progress());
    }
    pause_ns(idle_ns);
  }
  REPRISE_TRY(recorder.finish());
  RecordResult result = recorder.result();
  result.status = tree->status();
  result.stopped = asked_ns != 0;
  return result;
}

}  // namespace reprise::run
