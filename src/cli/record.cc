#include "run/record.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "base/options.h"
#include "cli/command.h"

namespace reprise::cli {

namespace {

std::string human_bytes(uint64_t n) {
  if (n < 10 << 10) return fmt::format("{} B", n);
  if (n < 10ull << 20) return fmt::format("{:.1f} KB", double(n) / 1024);
  return fmt::format("{:.1f} MB", double(n) / 1048576);
}

void show_progress(const run::RecordProgress& p) {
  static uint64_t last_sessions = 0;
  static int64_t last_ns = 0;
  const double rate = p.elapsed_ns > last_ns ? double(p.sessions - last_sessions) * 1e9 /
                                                   double(p.elapsed_ns - last_ns)
                                             : 0;
  last_sessions = p.sessions, last_ns = p.elapsed_ns;
  std::fprintf(stderr,
               "\r\033[K%5.1f s  %llu sessions (%.0f/s)  %llu calls  %zu open  %s  lost %llu",
               double(p.elapsed_ns) / 1e9, static_cast<unsigned long long>(p.sessions), rate,
               static_cast<unsigned long long>(p.calls), p.open, human_bytes(p.bytes).c_str(),
               static_cast<unsigned long long>(p.lost));
  std::fflush(stderr);
}

// Without standard descriptors of our own, the recording would get one of their numbers, and our
// messages with it. The program still starts without them.
void fill_standard_descriptors() {
  int fd = 0;
  do {
    fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  } while (fd >= 0 && fd <= 2);
  if (fd > 2) ::close(fd);
}

std::string ending(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
  return fmt::format("ended with {}", WEXITSTATUS(status));
}

}  // namespace

Result<int> run_record(const Arguments& arguments) {
  run::RecordOptions options;
  int64_t lossless_ms = 0;
  bool quiet = false;
  OptionTable table(
      "reprise record -o DIR [options] -- CMD ARGS...",
      "Runs CMD and records what it and all its children receive and send: each inbound request\n"
      "with every call that it caused becomes one session. Ends when the last process ends, or on\n"
      "SIGINT or SIGTERM, which it passes on.",
      {"reprise record -o rec -- python3 app.py",
       "reprise record -o rec --arena 256M -- php-fpm8.2 -F",
       "reprise record -o rec --redact rules.json --bypass :9125 -- ./server",
       "reprise record -o rec -- sh -c './migrate && exec ./server'"});
  table.text("--output", "-o", "DIR", "the recording to make; a new or empty folder",
             options.folder);
  table.size("--arena", "SIZE", "shared memory between program and recorder (64M)",
             options.arena_bytes);
  table.number("--lossless", "", "MS",
               "wait up to MS for space instead of dropping (0: never wait)", lossless_ms, 0,
               60000);
  table.size("--limit", "SIZE", "bytes kept of one message; longer ones keep a digest (16M)",
             options.message_limit);
  table.text("--inbound", "", "LIST",
             "only requests to these listeners: :8080,10.0.0.0/8,/run/app.sock", options.inbound);
  table.text("--bypass", "", "LIST", "leave out streams to and from these: metrics:9125,:6831",
             options.bypass);
  table.text("--redact", "", "FILE", "JSON rules of what is secret: headers, json, form, regex",
             options.redact_rules);
  table.flag("--keep-journal", "", "keep the journal of raw events in the recording",
             options.keep_journal);
  table.flag("--quiet", "-q", "no progress and no summary", quiet);
  REPRISE_ASSIGN(const OptionTable::Parsed parsed, table.parse(arguments));
  if (parsed.help) {
    std::fputs(table.help().c_str(), stdout);
    return 0;
  }
  if (options.folder.empty()) {
    return fail("where to? no -o DIR", "see reprise record --help", ErrorKind::kUsage);
  }
  options.command = parsed.has_rest ? parsed.rest : parsed.positional;
  if (options.command.empty()) {
    return fail("what to record? no command after --", "see reprise record --help",
                ErrorKind::kUsage);
  }
  options.lossless_wait_us = static_cast<uint32_t>(lossless_ms * 1000);
  options.hook_library = hook_library("libreprise-observe.so");
  fill_standard_descriptors();
  options.ignored_signals = catch_stop_signals();
  const bool live = !quiet && stderr_is_terminal();
  std::function<void(const run::RecordProgress&)> progress;
  if (live) progress = show_progress;
  REPRISE_ASSIGN(const run::RecordResult result, run::record(options, stop_requested(), progress));
  if (live) std::fprintf(stderr, "\r\033[K");
  if (quiet) return 0;
  const auto& s = result.stats;
  std::fprintf(
      stderr, "%s: %llu sessions, %llu calls (%llu outside sessions, %llu ambiguous), lost %llu\n",
      options.folder.c_str(), static_cast<unsigned long long>(s.sessions),
      static_cast<unsigned long long>(s.calls), static_cast<unsigned long long>(s.calls_outside),
      static_cast<unsigned long long>(s.calls_ambiguous),
      static_cast<unsigned long long>(result.ledger.total_lost()));
  for (const std::string& note : result.manifest.notes)
    std::fprintf(stderr, "  note: %s\n", note.c_str());
  if (!result.stopped && result.status != 0) {
    std::fprintf(stderr, "  %s %s\n", options.command[0].c_str(), ending(result.status).c_str());
  }
  return 0;
}

}  // namespace reprise::cli
