#include "run/report.h"

#include <algorithm>
#include <array>
#include <functional>

#include "run/call_findings.h"
#include "run/causes.h"
#include "run/plain_text.h"

namespace reprise::run {

namespace {

constexpr size_t kMaxListed = 3;  // leaks, notes, slowest sessions in a summary
constexpr size_t kOutcomes = 6;
constexpr size_t kVerdicts = 11;

using Lines = std::vector<std::string>;

const char* colour_of(Outcome o) {
  switch (o) {
    case Outcome::kSame:
      return "\x1b[32m";
    case Outcome::kChanged:
    case Outcome::kMissedCalls:
      return "\x1b[33m";
    case Outcome::kCrashed:
    case Outcome::kHung:
      return "\x1b[31m";
    case Outcome::kRefused:
      return "\x1b[36m";
  }
  return "";
}

const char* severity_name(int severity) {
  constexpr const char* kNames[] = {"-", "low", "medium", "high", "hung", "crash"};
  return kNames[static_cast<size_t>(std::clamp(severity, 0, 5))];
}

const char* severity_colour(int severity) {
  return severity >= 3   ? "\x1b[31m"
         : severity == 2 ? "\x1b[33m"
         : severity == 1 ? "\x1b[2m"
                         : "\x1b[36m";
}

class Summary {
 public:
  Summary(const RunResult& result, const SummaryOptions& options)
      : result_(result), options_(options) {}

  std::string text() {
    strip();
    what_changed();
    line("");
    calls();
    Lines leaks, notes;
    for (const LeakResult& l : result_.leaks) {
      leaks.push_back(fmt::format("{} {}, {} {}", shown(l.to, 60), shown(l.protocol, 20),
                                  grouped(l.count), l.count == 1 ? "time" : "times"));
    }
    for (const std::string& n : result_.notes) notes.push_back(n);
    list("Leaks", leaks);
    list("Notes", notes);
    list("Slowest", slowest());
    return std::move(out_);
  }

 private:
  void line(std::string_view text) { out_.append(text).append("\n"); }
  std::string coloured(const char* colour, const std::string& text) const {
    return options_.colours ? colour + text + "\x1b[0m" : text;
  }
  std::string cut(std::string_view text, size_t indent) const {
    return shown(text, options_.columns > indent + 20 ? options_.columns - indent : 20);
  }

  void strip() {
    std::array<uint64_t, kOutcomes> counts{};
    for (const SessionResult& s : result_.sessions) ++counts[static_cast<size_t>(s.outcome)];
    std::string text;
    for (size_t i = 0; i < kOutcomes; ++i) {
      const auto o = static_cast<Outcome>(i);
      const std::string part = grouped(counts[i]) + ' ' + name(o);
      if (i > 0) text += "   ";
      text += counts[i] > 0 ? coloured(colour_of(o), part) : part;
    }
    line(text);
    line(cut(fmt::format("{} sessions of {} in {}, {}", grouped(result_.sessions.size()),
                         result_.recording, duration(result_.elapsed_ns), result_.stage_mode),
             0));
  }

  void what_changed() {
    const std::vector<Cause> all = causes(result_);
    if (all.empty()) return;
    line("");
    line("What changed");
    for (size_t i = 0; i < std::min(all.size(), options_.max_causes); ++i) {
      const Cause& c = all[i];
      line(fmt::format(
          "  {} {:>7}  {}",
          coloured(severity_colour(c.severity), fmt::format("{:<6}", severity_name(c.severity))),
          grouped(c.sessions.size()), cut(c.title, 18)));
      std::string where = c.operations.empty() ? "" : c.operations[0];
      if (c.operations.size() > 1) where += fmt::format(" and {} more", c.operations.size() - 1);
      if (!where.empty()) where += "; ";
      line(std::string(18, ' ') + cut(where + c.example, 18));
    }
    if (all.size() > options_.max_causes) {
      line(fmt::format("  {} more, see --json", grouped(all.size() - options_.max_causes)));
    }
  }

  void calls() {
    std::array<uint64_t, kVerdicts> counts{};
    const auto count = [&](const std::vector<CallResult>& list) {
      for (const CallResult& c : list) ++counts[static_cast<size_t>(c.verdict)];
    };
    for (const SessionResult& s : result_.sessions) count(s.calls);
    count(result_.outside);
    std::string text;
    for (size_t i = 0; i < kVerdicts; ++i) {
      if (counts[i] == 0) continue;
      text += (text.empty() ? "" : ", ") + grouped(counts[i]) + ' ' +
              mock::name(static_cast<mock::Verdict>(i));
    }
    line("Calls    " + (text.empty() ? "none" : text));
  }

  void list(std::string_view title, const Lines& lines) {
    for (size_t i = 0; i < std::min(lines.size(), kMaxListed); ++i) {
      line(fmt::format("{:<9}{}", i == 0 ? title : "", cut(lines[i], 9)));
    }
    if (lines.size() > kMaxListed) {
      line(fmt::format("{:<9}{} more", "", lines.size() - kMaxListed));
    }
  }

  Lines slowest() const {
    std::vector<const SessionResult*> all;
    for (const SessionResult& s : result_.sessions) {
      if (s.live_ns > 0) all.push_back(&s);
    }
    const size_t n = std::min(all.size(), kMaxListed);
    std::partial_sort(all.begin(), all.begin() + ptrdiff_t(n), all.end(),
                      [](const auto* a, const auto* b) {
                        return a->live_ns != b->live_ns ? a->live_ns > b->live_ns : a->id < b->id;
                      });
    Lines out;
    for (size_t i = 0; i < n; ++i) {
      out.push_back(fmt::format("{}, recorded {}: session {} {}", duration(all[i]->live_ns),
                                duration(all[i]->recorded_ns), all[i]->id, all[i]->label));
    }
    return out;
  }

  const RunResult& result_;
  const SummaryOptions& options_;
  std::string out_;
};

void explain_calls(const std::vector<CallResult>& calls, std::string& out) {
  std::vector<std::pair<const CallResult*, const CallResult*>> pairs;  // live and recorded
  for (const CallFinding& f : call_findings(calls)) {
    if (f.live != nullptr && f.recorded != nullptr) pairs.emplace_back(f.live, f.recorded);
  }
  std::sort(pairs.begin(), pairs.end(),
            [](const auto& a, const auto& b) { return std::less<>()(a.first, b.first); });
  out += "  calls\n";
  size_t n = 0;
  for (const CallResult& c : calls) {
    const bool unused = c.verdict == mock::Verdict::kUnused;
    out += fmt::format("    {:>3} {:<8} {} {}  {}\n", unused ? "-" : std::to_string(++n),
                       mock::name(c.verdict), shown(c.protocol, 20), shown(c.dependency, 60),
                       shown(c.label, 1000));
    const std::string indent(17, ' ');
    if (!c.reason.empty()) out += indent + shown(c.reason, 1000) + '\n';
    if (!c.nearest.empty()) out += indent + "nearest: " + shown(c.nearest, 1000) + '\n';
    const auto at = std::lower_bound(
        pairs.begin(), pairs.end(), &c,
        [](const auto& p, const CallResult* call) { return std::less<>()(p.first, call); });
    if (at != pairs.end() && at->first == &c && at->second->label != c.nearest) {
      out += indent + "instead of: " + shown(at->second->label, 1000) + '\n';
    }
    for (const mock::Difference& d : c.differences) {
      out += indent + fmt::format("{}: {} -> {}\n", shown(d.path), shown(d.recorded, 400),
                                  shown(d.live, 400));
    }
    if (c.reordered) out += indent + "made in another order than recorded\n";
  }
}

}  // namespace

std::string summary(const RunResult& result, const SummaryOptions& options) {
  return Summary(result, options).text();
}

std::string explain(const SessionResult& s) {
  std::string out =
      fmt::format("session {}  {}  {}\n", s.id, shown(s.label, 1000), name(s.outcome));
  if (!s.reason.empty()) out += "  " + shown(s.reason, 1000) + '\n';
  const auto side = [](const std::string& answer, int64_t ns) {
    return answer.empty() ? std::string("none") : shown(answer) + " in " + duration(ns);
  };
  out += "  recorded " + side(s.recorded_answer, s.recorded_ns) + '\n';
  out += "  live     " + side(s.live_answer, s.live_ns) + '\n';
  for (const bool forgiven : {false, true}) {
    bool first = true;
    for (const compare::Difference& d : s.answer) {
      if (d.forgiven != forgiven) continue;
      if (first) out += forgiven ? "  forgiven differences\n" : "  differences of the answer\n";
      first = false;
      out += fmt::format("    {:<12} {}: {} -> {}{}\n", name(d.kind), shown(d.path, 1000),
                         shown(d.recorded, 1000), shown(d.live, 1000),
                         d.rule.empty() ? "" : " (" + shown(d.rule) + ")");
    }
  }
  if (!s.calls.empty()) explain_calls(s.calls, out);
  return out;
}

}  // namespace reprise::run
