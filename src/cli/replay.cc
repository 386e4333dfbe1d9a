#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "base/options.h"
#include "cli/command.h"
#include "run/replay.h"
#include "run/report.h"

namespace reprise::cli {

namespace {

void show_progress(const run::ReplayProgress& p) {
  const double seconds = double(p.elapsed_ns) / 1e9;
  const double rate = seconds > 0 ? double(p.done) / seconds : 0;
  const double left = rate > 0 ? double(p.total - p.done) / rate : 0;
  std::fprintf(stderr, "\r\033[K%zu of %zu sessions  %.0f/s  %zu differ  %.0f s left", p.done, p.total,
               rate, p.differ, left);
  std::fflush(stderr);
}

Status write_to(const std::string& path, const std::string& content) {
  if (path.empty()) return {};
  if (path == "-") {
    std::fwrite(content.data(), 1, content.size(), stdout);
    return {};
  }
  return replace_file(path, content);
}

// "3,7,10-20"
Status add_sessions(const std::string& text, std::set<uint64_t>& out) {
  size_t at = 0;
  while (at <= text.size()) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, end - at);
    const size_t dash = part.find('-');
    REPRISE_ASSIGN(const int64_t first, parse_integer(part.substr(0, dash)));
    int64_t last = first;
    if (dash != std::string::npos) {
      REPRISE_ASSIGN(last, parse_integer(part.substr(dash + 1)));
    }
    if (first < 1 || last < first || last - first > 10'000'000) return fail("'" + part + "' is no range of ids");
    for (int64_t id = first; id <= last; ++id) out.insert(static_cast<uint64_t>(id));
    at = end + 1;
  }
  return {};
}

Result<std::string> output_folder(const std::string& wanted) {
  if (!wanted.empty()) {
    if (::mkdir(wanted.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("create " + wanted);
    return wanted;
  }
  const char* base = std::getenv("TMPDIR");
  std::string path = std::string(base != nullptr && *base != 0 ? base : "/tmp") + "/reprise-output-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return fail_errno("create " + path);
  return path;
}

bool is_empty(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) != 0 || st.st_size == 0;
}

// A folder that we made ourselves goes, unless the subject said something worth keeping.
void clean_up(const std::string& folder, int lanes, bool keep) {
  bool all_gone = true;
  for (int i = 0; i < lanes; ++i) {
    for (const char* end : {".out", ".err"}) {
      const std::string path = fmt::format("{}/lane-{}{}", folder, i, end);
      if (!keep || is_empty(path)) {
        std::remove(path.c_str());
      } else {
        all_gone = false;
      }
    }
  }
  if (all_gone) std::remove(folder.c_str());
}

struct Outputs {
  std::string json;
  std::string junit;
  std::vector<std::string> explain;
  bool quiet = false;
};

Status write_results(const run::RunResult& result, const Outputs& to) {
  REPRISE_TRY(write_to(to.json, run::to_json(result)));
  REPRISE_TRY(write_to(to.junit, run::to_junit(result)));
  if (to.quiet) return {};
  FILE* out = to.json == "-" || to.junit == "-" ? stderr : stdout;
  run::SummaryOptions options;
  options.colours = ::isatty(::fileno(out)) != 0;
  std::fputs(run::summary(result, options).c_str(), out);
  for (const run::SessionResult& s : result.sessions) {
    for (const std::string& wanted : to.explain) {
      if (wanted == std::to_string(s.id) || (wanted == "all" && s.outcome != run::Outcome::kSame)) {
        std::fputs(("\n" + run::explain(s)).c_str(), out);
      }
    }
  }
  return {};
}

}  // namespace

Result<int> run_replay(const Arguments& arguments) {
  run::ReplayOptions options;
  Outputs outputs;
  std::string sessions, folder;
  bool no_clock = false, real_files = false;
  int64_t lanes = 1;
  OptionTable table(
      "reprise replay REC [options] [-- CMD ARGS...]",
      "Runs the recorded program (or CMD) on a stage that nothing leaves, sends it the recorded\n"
      "requests, plays every dependency from the recording, and tells what changed.\n"
      "Exit code: 0 all the same, 1 differences, 2 usage, 3 this machine cannot do it.",
      {"reprise replay rec", "reprise replay rec -- ./server-new --port 8080",
       "reprise replay rec --session 17 --explain 17", "reprise replay rec --lanes 4 --junit result.xml",
       "reprise replay rec --filter /order --ignore body.created_at"});
  table.number("--lanes", "-j", "N", "programs that replay at once, each with a stage of its own (1)", lanes, 1, 256);
  table.text("--session", "", "IDS", "only these: 17 or 3,7,10-20", sessions);
  table.text("--filter", "", "WORDS", "only sessions that `reprise show --search WORDS` finds", options.filter);
  table.texts("--ignore", "", "PATH", "do not compare this field of answers: body.items[*].id", options.ignore);
  table.texts("--explain", "", "ID|all", "show one session in full, or all that differ", outputs.explain);
  table.text("--json", "", "FILE", "the whole result; - for standard output", outputs.json);
  table.text("--junit", "", "FILE", "the result as JUnit XML", outputs.junit);
  table.text("--output", "", "DIR", "keep what the program prints there", folder);
  table.flag("--borrow", "", "a read that its session never made may be answered from another session", options.borrow);
  table.custom({"--on-miss", "", "POLICY", "fail: an error, in the protocol (default); nearest: a guess, named so",
                [&](const std::string& v) -> Status {
                  options.nearest = v == "nearest";
                  if (v == "fail" || v == "nearest") return {};
                  if (v == "passthrough" || v == "record") {
                    return fail("'" + v + "' would let the program reach real services: nothing leaves the stage",
                                "record again with the new calls, or use --on-miss nearest");
                  }
                  return fail("'" + v + "' is neither fail nor nearest");
                }});
  table.flag("--no-clock", "", "leave the clock alone; by default it shows the recorded time", no_clock);
  table.flag("--real-files", "", "let the program write to the real file system, no overlay", real_files);
  table.flag("--no-namespaces", "", "redirect with the preload library only (one lane)", options.preload_only);
  table.custom({"--timeout", "", "TIME", "to wait for an answer, on top of twice what it took (10s)",
                [&](const std::string& v) -> Status {
                  REPRISE_ASSIGN(options.answer_timeout_ns, parse_duration(v));
                  return {};
                }});
  table.custom({"--start-timeout", "", "TIME", "to wait until the program listens (30s)",
                [&](const std::string& v) -> Status {
                  REPRISE_ASSIGN(options.start_timeout_ns, parse_duration(v));
                  return {};
                }});
  table.flag("--quiet", "-q", "no progress and no summary", outputs.quiet);
  REPRISE_ASSIGN(const OptionTable::Parsed parsed, table.parse(arguments));
  if (parsed.help) {
    std::fputs(table.help().c_str(), stdout);
    return 0;
  }
  if (parsed.positional.size() != 1) {
    return fail("which recording?", "reprise replay REC [-- CMD...]", ErrorKind::kUsage);
  }
  options.folder = parsed.positional[0];
  options.command = parsed.rest;
  options.lanes = static_cast<int>(lanes);
  options.clock = !no_clock;
  options.overlay = !real_files;
  options.stage_library = hook_library("libreprise-stage.so");
  if (!sessions.empty()) {
    if (auto s = add_sessions(sessions, options.sessions); !s) {
      return fail("--session: " + s.error().message, "try --session 3,7,10-20", ErrorKind::kUsage);
    }
  }
  REPRISE_ASSIGN(options.output_folder, output_folder(folder));
  catch_stop_signals();
  const bool live = !outputs.quiet && stderr_is_terminal();
  std::function<void(const run::ReplayProgress&)> progress;
  if (live) progress = show_progress;
  auto result = run::replay(options, stop_requested(), progress);
  if (live) std::fprintf(stderr, "\r\033[K");
  const bool keep = !folder.empty() || !result;
  clean_up(options.output_folder, options.lanes, keep);
  if (!result) {
    Error error = result.error();
    // Exit code 1 says "differences"; a run that never was is none.
    if (error.kind == ErrorKind::kFailed) error.kind = ErrorKind::kEnvironment;
    if (::access(options.output_folder.c_str(), F_OK) != 0 && error.hint.rfind("its output is in", 0) == 0) {
      error.hint = "it printed nothing";
    }
    return fail(std::move(error));
  }
  if (stop_requested()) result->notes.push_back("stopped by a signal: the remaining sessions were not replayed");
  REPRISE_TRY(write_results(*result, outputs));
  return stop_requested() ? 1 : result->exit_code();
}

}  // namespace reprise::cli
