#include <algorithm>
#include <cstdio>
#include <ctime>
#include <optional>
#include <set>

#include "base/options.h"
#include "cli/command.h"
#include "recording/catalogue.h"
#include "recording/recording.h"
#include "wire/registry.h"

namespace reprise::cli {

namespace {

using session::Call;
using session::Session;

std::string milliseconds(int64_t ns) {
  if (ns < 0) return "-";
  return fmt::format("{:.1f} ms", double(ns) / 1e6);
}

std::string answer_label(const Call& c) {
  if (c.kind == session::CallKind::kFailedConnect) return fmt::format("failed: errno {}", c.error);
  if (c.kind == session::CallKind::kOneWay) return "(no answer expected)";
  if (c.kind == session::CallKind::kOpaque) return "(cannot be read)";
  if (!c.answered) return c.incomplete ? "(incomplete)" : "(no answer)";
  return wire::entry(c.protocol).describe_answer(c.request, c.operation, c.answer).label;
}

std::string one_line(const Session& s) {
  const char* kind = s.kind == session::SessionKind::kStartUp ? "start-up" : "background";
  if (s.kind != session::SessionKind::kInbound)
    return fmt::format("      - {:<9} {} calls", kind, s.calls.size());
  const Call& in = s.inbound;
  return fmt::format("{:>7}  {:>9}  {:<40.40}  {:<24.24} {:>3} calls{}", s.id,
                     milliseconds(in.answer_end_ns - in.request_ns), in.operation.label,
                     answer_label(in), s.calls.size(), s.incomplete ? "  incomplete" : "");
}

// A bar on a scale of `width` columns for [from, to] of [begin, end].
std::string bar(int64_t begin, int64_t end, int64_t from, int64_t to, int width) {
  const double scale = end > begin ? double(width) / (double(end) - double(begin)) : 0;
  // The times come from a file: nothing is assumed of them.
  const auto column = [&](int64_t at) {
    return static_cast<int>(
        std::clamp((double(at) - double(begin)) * scale, 0.0, double(width - 1)));
  };
  const int first = column(from);
  const int last = std::max(first, column(to));
  std::string out(static_cast<size_t>(first), ' ');
  for (int i = first; i <= last; ++i) out += "━";
  out.append(static_cast<size_t>(width - 1 - last), ' ');
  return out;
}

void print_call(const Call& c, int64_t begin, int64_t end) {
  const int64_t to = c.answer_end_ns != 0 ? c.answer_end_ns : c.request_end_ns;
  std::printf("  │%s│ %9s  %-8s %s\n", bar(begin, end, c.request_ns, to, 30).c_str(),
              milliseconds(to - c.request_ns).c_str(), wire::name(c.protocol),
              c.operation.label.c_str());
  std::printf("  │%30s│ %9s  %s → %s  [%s: %s]\n", "", "", reprise::to_string(c.peer).c_str(),
              answer_label(c).c_str(), session::name(c.confidence), session::name(c.evidence));
}

void print_bytes(const char* title, ByteView bytes, bool hex) {
  std::printf("--- %s (%zu bytes)\n", title, bytes.size());
  if (hex) {
    std::fputs(hex_dump(bytes).c_str(), stdout);
  } else {
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    if (bytes.empty() || bytes.back() != '\n') std::printf("\n");
  }
}

void print_session(const Session& s, bool raw, bool hex) {
  const Call& in = s.inbound;
  int64_t begin = s.begin_ns(), end = in.answer_end_ns;
  for (const Call& c : s.calls) end = std::max(end, std::max(c.answer_end_ns, c.request_end_ns));
  if (s.kind == session::SessionKind::kInbound) {
    std::printf("session %llu  %s  from %s at %s%s\n", static_cast<unsigned long long>(s.id),
                wire::name(in.protocol), reprise::to_string(in.peer).c_str(),
                reprise::to_string(in.local).c_str(), s.incomplete ? "  (incomplete)" : "");
    std::printf("  │%s│ %9s  %s → %s\n",
                bar(begin, end, in.request_ns, in.answer_end_ns, 30).c_str(),
                milliseconds(in.answer_end_ns - in.request_ns).c_str(), in.operation.label.c_str(),
                answer_label(in).c_str());
  } else {
    std::printf("calls outside any session\n");
  }
  for (const Call& c : s.calls) print_call(c, begin, end);
  if (!raw && !hex) return;
  if (s.kind == session::SessionKind::kInbound) {
    print_bytes("request", in.request, hex);
    print_bytes("answer", in.answer, hex);
  }
  for (size_t i = 0; i < s.calls.size(); ++i) {
    print_bytes(fmt::format("call {} request", i + 1).c_str(), s.calls[i].request, hex);
    print_bytes(fmt::format("call {} answer", i + 1).c_str(), s.calls[i].answer, hex);
  }
}

void write_leaves(JsonWriter& w, const Leaves& leaves) {
  w.begin_object();
  for (const Leaf& leaf : leaves) w.field(leaf.path, leaf.text);
  w.end_object();
}

void write_call(JsonWriter& w, const Call& c) {
  w.begin_object().field("protocol", std::string_view(wire::name(c.protocol)));
  w.field("peer", reprise::to_string(c.peer))
      .field("verb", c.operation.verb)
      .field("label", c.operation.label);
  w.field("tier", static_cast<int>(c.operation.tier)).field("stream", c.stream);
  w.field("request_ns", c.request_ns)
      .field("answer_ns", c.answer_ns)
      .field("answer_end_ns", c.answer_end_ns);
  w.field("answered", c.answered).field("incomplete", c.incomplete).field("error", c.error);
  w.field("confidence", std::string_view(session::name(c.confidence)));
  w.field("evidence", std::string_view(session::name(c.evidence)));
  w.key("candidates").begin_array();
  for (uint64_t id : c.candidates) w.number(id);
  w.end_array();
  w.field("linked_session", c.linked_session);
  w.key("request")
      .begin_object()
      .field("bytes", c.request_size)
      .field("text", printable(c.request, 100000));
  w.key("leaves");
  write_leaves(w, c.operation.leaves);
  w.end_object();
  const wire::Answer a = wire::entry(c.protocol).describe_answer(c.request, c.operation, c.answer);
  w.key("answer").begin_object().field("label", answer_label(c)).field("bytes", c.answer_size);
  w.field("text", printable(c.answer, 100000)).key("leaves");
  write_leaves(w, a.leaves);
  w.end_object().end_object();
}

std::string session_json(const Session& s) {
  std::string out;
  JsonWriter w(out);
  w.begin_object()
      .field("id", s.id)
      .field("kind", static_cast<int>(s.kind))
      .field("parent", s.parent);
  w.field("incomplete", s.incomplete);
  if (s.kind == session::SessionKind::kInbound) {
    w.key("inbound");
    write_call(w, s.inbound);
  }
  w.key("calls").begin_array();
  for (const Call& c : s.calls) write_call(w, c);
  w.end_array().end_object();
  return out;
}

void print_ledger(const recording::Ledger& ledger) {
  std::printf("%-10s %14s %14s %12s\n", "stage", "in", "out", "lost");
  for (const auto& s : ledger.stages) {
    uint64_t lost = 0;
    for (const auto& [cause, n] : s.lost) lost += n;
    std::printf("%-10s %14llu %14llu %12llu  %s\n", s.name.c_str(),
                static_cast<unsigned long long>(s.in), static_cast<unsigned long long>(s.out),
                static_cast<unsigned long long>(lost), s.unit.c_str());
    for (const auto& [cause, n] : s.lost) {
      std::printf("%-10s %42s %s\n", "", fmt::format("{}", n).c_str(), cause.c_str());
    }
  }
  std::printf("%s\n", ledger.balanced() ? "the sums agree" : "THE SUMS DO NOT AGREE");
}

}  // namespace

Result<int> run_show(const Arguments& arguments) {
  bool raw = false, hex = false, json = false, ledger = false, all = false;
  std::string search;
  OptionTable table("reprise show REC [SESSION] [options]",
                    "Without a session: one line for each. With one: the waterfall of its calls.",
                    {"reprise show rec", "reprise show rec 17", "reprise show rec 17 --hex",
                     "reprise show rec --json | jq .inbound.label", "reprise show rec --search 'delete cart'",
                     "reprise show rec --ledger"});
  table.flag("--raw", "", "the bytes of the session as they are", raw);
  table.flag("--hex", "", "the bytes of the session as a dump", hex);
  table.flag("--json", "", "one JSON document a line for each session", json);
  table.flag("--ledger", "", "what came in, went out and was lost, by stage", ledger);
  table.text("--search", "", "WORDS", "only sessions in whose request, answer or calls all WORDS occur", search);
  table.flag("--all", "", "calls outside sessions too", all);
  REPRISE_ASSIGN(const OptionTable::Parsed parsed, table.parse(arguments));
  if (parsed.help) {
    std::fputs(table.help().c_str(), stdout);
    return 0;
  }
  if (parsed.positional.empty() || parsed.positional.size() > 2) {
    return fail("which recording?", "reprise show REC [SESSION]", ErrorKind::kUsage);
  }
  REPRISE_ASSIGN(recording::Reader reader, recording::Reader::open(parsed.positional[0]));
  if (ledger) {
    if (json) {
      std::fputs(reader.ledger().to_json().c_str(), stdout);
    } else {
      print_ledger(reader.ledger());
    }
    return reader.ledger().balanced() ? 0 : 1;
  }
  std::set<uint64_t> matching;
  if (!search.empty()) {
    REPRISE_ASSIGN(const recording::Catalogue catalogue, recording::Catalogue::open(parsed.positional[0]));
    REPRISE_ASSIGN(const std::vector<recording::CatalogueRow> rows, catalogue.find(search, SIZE_MAX >> 1));
    for (const recording::CatalogueRow& row : rows) matching.insert(row.id);
  }
  uint64_t wanted = 0;
  if (parsed.positional.size() == 2) {
    auto id = parse_integer(parsed.positional[1]);
    if (!id || *id < 1)
      return fail("'" + parsed.positional[1] + "' is no session id", {}, ErrorKind::kUsage);
    wanted = static_cast<uint64_t>(*id);
  }
  bool found = false;
  const auto visit = [&](Session&& s) {
    if (!search.empty() && matching.count(s.id) == 0) return true;
    if (wanted == 0 && !all && s.kind != session::SessionKind::kInbound) return true;
    found = true;
    if (json) {
      std::printf("%s\n", session_json(s).c_str());
    } else if (wanted != 0) {
      print_session(s, raw, hex);
    } else if (all && s.kind != session::SessionKind::kInbound) {
      print_session(s, raw, hex);
    } else {
      std::printf("%s\n", one_line(s).c_str());
    }
    return true;
  };
  if (wanted != 0) {
    REPRISE_ASSIGN(std::optional<Session> one, reader.find(wanted));
    if (one) visit(std::move(*one));
  } else {
    REPRISE_TRY(reader.for_each(visit));
  }
  for (const recording::Damage& d : reader.damage()) {
    std::fprintf(stderr, "reprise: %s: %llu bytes from byte %llu could not be read: %s\n",
                 d.file.c_str(), static_cast<unsigned long long>(d.bytes),
                 static_cast<unsigned long long>(d.offset), d.reason.c_str());
  }
  if (wanted != 0 && !found)
    return fail(fmt::format("no session {} in {}", wanted, parsed.positional[0]));
  return reader.damage().empty() ? 0 : 1;
}

Result<int> run_verify(const Arguments& arguments) {
  OptionTable table("reprise verify REC",
                    "Reads every block of the recording, and checks the ledger.",
                    {"reprise verify rec"});
  REPRISE_ASSIGN(const OptionTable::Parsed parsed, table.parse(arguments));
  if (parsed.help) {
    std::fputs(table.help().c_str(), stdout);
    return 0;
  }
  if (parsed.positional.size() != 1)
    return fail("which recording?", "reprise verify REC", ErrorKind::kUsage);
  REPRISE_ASSIGN(recording::Reader reader, recording::Reader::open(parsed.positional[0]));
  uint64_t sessions = 0, calls = 0;
  REPRISE_TRY(reader.for_each([&](Session&& s) {
    sessions += s.kind == session::SessionKind::kInbound;
    calls += s.calls.size();
    return true;
  }));
  for (const recording::Damage& d : reader.damage()) {
    std::printf("%s: %llu bytes from byte %llu could not be read: %s\n", d.file.c_str(),
                static_cast<unsigned long long>(d.bytes), static_cast<unsigned long long>(d.offset),
                d.reason.c_str());
  }
  const bool finished = reader.manifest().ended_ns != 0;
  if (!finished && reader.has_journal()) {
    std::printf("its journal is there: once the recorder has ended, `reprise recover` brings back what it holds\n");
  }
  std::printf(
      "%llu sessions and %llu calls are readable; %s; %s; %s\n",
      static_cast<unsigned long long>(sessions), static_cast<unsigned long long>(calls),
      reader.damage().empty() ? "no damage" : "DAMAGED",
      finished ? "finished" : "not finished (still recording, or cut short)",
      reader.ledger().balanced() ? "the ledger's sums agree" : "THE LEDGER'S SUMS DO NOT AGREE");
  return reader.damage().empty() && reader.ledger().balanced() ? 0 : 1;
}

Result<int> run_ls(const Arguments& arguments) {
  OptionTable table("reprise ls [REC...]", "One line for each recording, of those named.",
                    {"reprise ls rec", "reprise ls recordings/*"});
  REPRISE_ASSIGN(const OptionTable::Parsed parsed, table.parse(arguments));
  if (parsed.help) {
    std::fputs(table.help().c_str(), stdout);
    return 0;
  }
  if (parsed.positional.empty())
    return fail("which recordings?", "reprise ls REC...", ErrorKind::kUsage);
  int code = 0;
  for (const std::string& folder : parsed.positional) {
    auto reader = recording::Reader::open(folder);
    if (!reader) {
      code = report(reader.error());
      continue;
    }
    uint64_t sessions = 0;
    REPRISE_TRY(reader->for_each([&](Session&& s) {
      sessions += s.kind == session::SessionKind::kInbound;
      return true;
    }));
    const recording::Manifest& m = reader->manifest();
    const std::time_t at = m.started_ns / 1000000000;
    char when[32];
    std::strftime(when, sizeof when, "%F %T", std::localtime(&at));
    std::string command;
    for (const std::string& word : m.command) command += (command.empty() ? "" : " ") + word;
    std::printf("%-24s  %s  %6.1f s  %7llu sessions  %s%s\n", folder.c_str(), when,
                m.ended_ns != 0 ? double(m.ended_ns - m.started_ns) / 1e9 : 0.0,
                static_cast<unsigned long long>(sessions), command.c_str(),
                m.ended_ns == 0 ? "  (not finished)" : "");
  }
  return code;
}

}  // namespace reprise::cli
