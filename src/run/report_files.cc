// The reports for programs: JSON and JUnit XML.
#include <array>

#include "base/json.h"
#include "run/call_findings.h"
#include "run/causes.h"
#include "run/plain_text.h"
#include "run/report.h"

namespace reprise::run {

namespace {

void write(JsonWriter& w, const CallResult& c) {
  w.begin_object()
      .field("verdict", mock::name(c.verdict))
      .field("protocol", c.protocol)
      .field("dependency", c.dependency)
      .field("label", c.label)
      .field("operation", c.operation)
      .field("write", c.write)
      .field("reordered", c.reordered);
  if (!c.nearest.empty()) w.field("nearest", c.nearest);
  if (!c.reason.empty()) w.field("reason", c.reason);
  w.key("differences").begin_array();
  for (const mock::Difference& d : c.differences) {
    w.begin_object().field("path", d.path).field("recorded", d.recorded).field("live", d.live);
    w.end_object();
  }
  w.end_array().end_object();
}

void write(JsonWriter& w, const compare::Difference& d) {
  w.begin_object()
      .field("kind", name(d.kind))
      .field("path", d.path)
      .field("recorded", d.recorded)
      .field("live", d.live)
      .field("forgiven", d.forgiven);
  if (d.forgiven) w.field("rule", d.rule);
  w.end_object();
}

void write(JsonWriter& w, const SessionResult& s) {
  w.begin_object()
      .field("id", s.id)
      .field("outcome", name(s.outcome))
      .field("label", s.label)
      .field("operation", s.operation)
      .field("recorded_answer", s.recorded_answer)
      .field("live_answer", s.live_answer)
      .field("recorded_ns", s.recorded_ns)
      .field("live_ns", s.live_ns);
  if (!s.reason.empty()) w.field("reason", s.reason);
  w.key("answer").begin_array();
  for (const compare::Difference& d : s.answer) write(w, d);
  w.end_array().key("calls").begin_array();
  for (const CallResult& c : s.calls) write(w, c);
  w.end_array().end_object();
}

void write(JsonWriter& w, const Cause& c) {
  w.begin_object()
      .field("title", c.title)
      .field("kind", c.kind)
      .field("severity", c.severity)
      .field("example", c.example);
  w.key("operations").begin_array();
  for (const std::string& o : c.operations) w.string(o);
  w.end_array().key("sessions").begin_array();
  for (const uint64_t id : c.sessions) w.number(id);
  w.end_array().end_object();
}

// What counts, a line each.
std::string failure_text(const SessionResult& s) {
  std::string out;
  for (const compare::Difference& d : s.answer) {
    if (d.forgiven) continue;
    out += fmt::format("{} {}: {} -> {}\n", name(d.kind), d.path, d.recorded, d.live);
  }
  for (const CallFinding& f : call_findings(s.calls)) {
    const CallResult& c = f.live != nullptr ? *f.live : *f.recorded;
    out += fmt::format("{}: {}\n", name(f.kind), c.label);
    if (f.kind != CallFinding::Kind::kChanged) continue;
    for (const mock::Difference& d : c.differences) out += "  " + text_of(d) + '\n';
  }
  return out;
}

std::string seconds(int64_t ns) { return fmt::format("{:.6f}", static_cast<double>(ns) / 1e9); }

void write_case(const SessionResult& s, std::string& out) {
  out += fmt::format("    <testcase classname=\"{}\" name=\"session {} {}\" time=\"{}\"",
                     xml(s.operation), s.id, xml(s.label), seconds(s.live_ns));
  switch (s.outcome) {
    case Outcome::kSame:
      out += "/>\n";
      return;
    case Outcome::kRefused:
      out += fmt::format(">\n      <skipped message=\"{}\"/>\n", xml(s.reason));
      break;
    case Outcome::kCrashed:
    case Outcome::kHung:
      out += fmt::format(">\n      <error type=\"{}\" message=\"{}\">{}</error>\n", name(s.outcome),
                         xml(s.reason), xml(failure_text(s)));
      break;
    case Outcome::kChanged:
    case Outcome::kMissedCalls: {
      const std::string text = failure_text(s);
      out += fmt::format(">\n      <failure type=\"{}\" message=\"{}\">{}</failure>\n",
                         name(s.outcome), xml(text.substr(0, text.find('\n'))), xml(text));
      break;
    }
  }
  out += "    </testcase>\n";
}

}  // namespace

std::string to_json(const RunResult& r) {
  std::string out;
  JsonWriter w(out, true);
  std::array<uint64_t, 6> outcomes{};
  std::array<uint64_t, 11> verdicts{};
  const auto count = [&](const std::vector<CallResult>& calls) {
    for (const CallResult& c : calls) ++verdicts[static_cast<size_t>(c.verdict)];
  };
  for (const SessionResult& s : r.sessions) {
    ++outcomes[static_cast<size_t>(s.outcome)];
    count(s.calls);
  }
  count(r.outside);
  w.begin_object()
      .field("recording", r.recording)
      .field("stage_mode", r.stage_mode)
      .field("elapsed_ns", r.elapsed_ns)
      .field("exit_code", r.exit_code());
  w.key("outcomes").begin_object();
  for (size_t i = 0; i < outcomes.size(); ++i) w.field(name(static_cast<Outcome>(i)), outcomes[i]);
  w.end_object().key("verdicts").begin_object();
  for (size_t i = 0; i < verdicts.size(); ++i) {
    w.field(mock::name(static_cast<mock::Verdict>(i)), verdicts[i]);
  }
  w.end_object().key("causes").begin_array();
  for (const Cause& c : causes(r)) write(w, c);
  w.end_array().key("sessions").begin_array();
  for (const SessionResult& s : r.sessions) write(w, s);
  w.end_array().key("outside").begin_array();
  for (const CallResult& c : r.outside) write(w, c);
  w.end_array().key("leaks").begin_array();
  for (const LeakResult& l : r.leaks) {
    w.begin_object().field("to", l.to).field("protocol", l.protocol).field("count", l.count);
    w.end_object();
  }
  w.end_array().key("notes").begin_array();
  for (const std::string& n : r.notes) w.string(n);
  w.end_array().end_object();
  return out + '\n';
}

std::string to_junit(const RunResult& r) {
  size_t failures = 0, errors = 0, skipped = 0;
  for (const SessionResult& s : r.sessions) {
    failures += s.outcome == Outcome::kChanged || s.outcome == Outcome::kMissedCalls;
    errors += s.outcome == Outcome::kCrashed || s.outcome == Outcome::kHung;
    skipped += s.outcome == Outcome::kRefused;
  }
  const std::string counts = fmt::format(
      "name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\"",
      xml(r.recording), r.sessions.size(), failures, errors, skipped, seconds(r.elapsed_ns));
  std::string out =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite " + counts + ">\n";
  for (const SessionResult& s : r.sessions) write_case(s, out);
  std::string notes;
  for (const std::string& n : r.notes) notes += n + '\n';
  for (const LeakResult& l : r.leaks) {
    notes += fmt::format("leak: {} {}, {} times\n", l.to, l.protocol, l.count);
  }
  if (!notes.empty()) out += "    <system-out>" + xml(notes) + "</system-out>\n";
  return out + "  </testsuite>\n</testsuites>\n";
}

}  // namespace reprise::run
