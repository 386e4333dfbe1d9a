#include "run/causes.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <unordered_map>

#include "run/call_findings.h"
#include "run/plain_text.h"
#include "value/shape.h"

namespace reprise::run {

namespace {

constexpr size_t kMaxAlso = 4;  // further fields named in a title
constexpr size_t kMaxTitle = 300;

// A cause while it is put together.
struct Draft {
  Cause cause;
  std::string field;  // of the answer; empty for other causes
  std::map<std::string, size_t> operations;
};

// Segments that are ids (maps with an entry for each user) become {}.
std::string field_of(std::string_view path) {
  const std::string general = compare::general_path(path);
  std::string out;
  for (size_t at = 0; at <= general.size();) {
    const size_t end = std::min(general.find('.', at), general.size());
    const std::string_view segment = std::string_view(general).substr(at, end - at);
    const bool digits = !segment.empty() && std::all_of(segment.begin(), segment.end(), [](char c) {
      return std::isdigit(static_cast<unsigned char>(c)) != 0;
    });
    if (at > 0) out += '.';
    out += digits || value::shape_of(segment, 0) != value::Shape::kPlain ? "{}" : segment;
    at = end + 1;
  }
  return out;
}

// "signal 11 at 7f12ab" of all sessions alike: words that begin with a digit, or are hexadecimal
// with six digits or more, become #.
std::string without_numbers(std::string_view text) {
  const auto is = [&](size_t i, int (*kind)(int)) {
    return i < text.size() && kind(static_cast<unsigned char>(text[i])) != 0;
  };
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    bool hex = true, digit = false;
    for (; is(end, std::isalnum); ++end) {
      hex = hex && is(end, std::isxdigit);
      digit = digit || is(end, std::isdigit);
    }
    if (end == at) {
      out += text[at++];
      continue;
    }
    const bool number = is(at, std::isdigit) || (hex && digit && end - at >= 6);
    out += number ? "#" : text.substr(at, end - at);
    at = end;
  }
  return out;
}

std::string title_of(const compare::Difference& d, const std::string& field) {
  switch (d.kind) {
    case compare::Kind::kStatus:
      // Protocols without a status: what stands there are whole answers.
      if (field != "status") {
        return fmt::format("{} {} -> {}", shown(field), shown(without_numbers(d.recorded), 60),
                           shown(without_numbers(d.live), 60));
      }
      [[fallthrough]];
    case compare::Kind::kContentType:
      return fmt::format("{} {} -> {}", name(d.kind), shown(d.recorded, 60), shown(d.live, 60));
    case compare::Kind::kRemoved:
      return "removed: " + shown(field);
    case compare::Kind::kAdded:
      return "added: " + shown(field);
    case compare::Kind::kType:
      return "type changed: " + shown(field);
    case compare::Kind::kValue:
      return "value changed: " + shown(field);
    case compare::Kind::kOrder:
      return "order changed: " + shown(field);
  }
  return field;
}

class Grouping {
 public:
  std::vector<Cause> run(const RunResult& result) {
    for (const SessionResult& s : result.sessions) session(s);
    for (const CallFinding& f : call_findings(result.outside)) {
      // Start-up and background work differ in timing from run to run: only what is new tells.
      if (f.kind != CallFinding::Kind::kNew) continue;
      call(f, nullptr);
    }
    return finish();
  }

 private:
  void session(const SessionResult& s) {
    switch (s.outcome) {
      case Outcome::kSame:
        return;
      case Outcome::kCrashed:
        ended(s, 5);
        break;
      case Outcome::kHung:
        ended(s, 4);
        break;
      case Outcome::kRefused:
        return ended(s, 0);
      case Outcome::kChanged:
      case Outcome::kMissedCalls:
        break;
    }
    const std::optional<int64_t> error = after_which_all_follows(s.calls);
    const bool changed = s.outcome == Outcome::kChanged || s.outcome == Outcome::kMissedCalls;
    if (changed && !error) {
      for (const compare::Difference& d : s.answer) answer(d, s);
    }
    // A subject that died has not made the calls behind its death: only what it did tells why.
    const bool whole = s.outcome != Outcome::kCrashed && s.outcome != Outcome::kHung;
    bool found = false;
    size_t followed = 0;
    const std::vector<CallFinding> findings = call_findings(s.calls);
    if (error) {
      followed = compare::differs(s.answer) ? 1 : 0;
      for (const CallFinding& f : findings) followed += follows(f, *error);
    }
    for (const CallFinding& f : findings) {
      if (!whole && f.kind == CallFinding::Kind::kMissing) continue;
      found = true;
      if (error && follows(f, *error)) continue;
      call(f, &s, followed);
    }
    if (whole && !found && !compare::differs(s.answer)) {
      add("other\n" + s.reason, name(s.outcome), 2,
          std::string(name(s.outcome)) + (s.reason.empty() ? "" : ": " + shown(s.reason)),
          s.live_answer, &s);
    }
  }

  // After the first call that got an error for want of a recording: when the latest recorded call was
  // made of those before it. nullopt: there was no such error.
  static std::optional<int64_t> after_which_all_follows(const std::vector<CallResult>& calls) {
    int64_t latest = 0;
    for (const CallResult& c : calls) {
      if (c.verdict == mock::Verdict::kMiss) return latest;
      latest = std::max(latest, c.recorded_ns);
    }
    return std::nullopt;
  }

  static bool follows(const CallFinding& f, int64_t error) {
    if (f.kind == CallFinding::Kind::kRepeated) return true;
    return f.kind == CallFinding::Kind::kMissing && f.recorded->recorded_ns >= error;
  }

  void ended(const SessionResult& s, int severity) {
    const std::string reason = without_numbers(s.reason);
    add(std::string(name(s.outcome)) + '\n' + reason, name(s.outcome), severity,
        name(s.outcome) + (reason.empty() ? "" : ": " + shown(reason)),
        s.label + (s.label.empty() || s.reason.empty() ? "" : ": ") + s.reason, &s);
  }

  void answer(const compare::Difference& d, const SessionResult& s) {
    if (d.forgiven || d.path == "...") return;
    const std::string field = field_of(d.path);
    const std::string title = title_of(d, field);
    Draft& draft =
        add("answer\n" + std::string(name(d.kind)) + '\n' + title, name(d.kind), severity(d.kind),
            title, shown(d.recorded, 60) + " -> " + shown(d.live, 60), &s);
    draft.field = field;
  }

  void call(const CallFinding& f, const SessionResult* s, size_t followed = 0) {
    const CallResult& c = f.live != nullptr ? *f.live : *f.recorded;
    const std::string& operation = c.operation.empty() ? c.label : c.operation;
    std::string title = std::string(name(f.kind)) + ": " + shown(operation, 160);
    if (!c.protocol.empty()) title += " (" + c.protocol + ')';
    if (s == nullptr) title += ", outside sessions";
    std::string key = fmt::format("call\n{}\n{}\n{}\n{}\n{}", s == nullptr, name(f.kind),
                                  c.protocol, c.dependency, operation);
    std::string example = shown(c.label, 100);
    if (f.kind == CallFinding::Kind::kChanged) {
      std::vector<std::string> fields;
      for (const mock::Difference& d : c.differences) fields.push_back(shown(field_of(d.path), 60));
      std::sort(fields.begin(), fields.end());
      fields.erase(std::unique(fields.begin(), fields.end()), fields.end());
      for (size_t i = 0; i < fields.size(); ++i) {
        key += '\n' + fields[i];
        if (i < kMaxAlso) title += (i == 0 ? ": " : ", ") + fields[i];
      }
      if (fields.size() > kMaxAlso) title += fmt::format(", {} more", fields.size() - kMaxAlso);
      if (!c.differences.empty()) {
        example = text_of(c.differences.front());
      } else if (f.recorded != nullptr) {
        example = shown(f.recorded->label, 80) + " -> " + shown(c.label, 80);
      }
    }
    if (followed > 0) example += fmt::format(" ({} more differ as a consequence)", followed);
    add(key, name(f.kind), s == nullptr ? 1 : severity(f), title, example, s);
  }

  Draft& add(const std::string& key, std::string_view kind, int severity, const std::string& title,
             const std::string& example, const SessionResult* s) {
    const auto [it, fresh] = index_.emplace(key, drafts_.size());
    if (fresh) drafts_.emplace_back();
    Draft& draft = drafts_[it->second];
    Cause& cause = draft.cause;
    if (fresh) {
      cause.title = title;
      cause.kind = kind;
    }
    cause.severity = std::max(cause.severity, severity);
    if (s == nullptr) {
      if (fresh) cause.example = shown(example);
      return draft;
    }
    // Sessions may come in any order; the example is of the one with the lowest id.
    if (fresh || s->id < first_[it->second]) {
      cause.example = fmt::format("session {}: {}", s->id, shown(example));
      first_[it->second] = s->id;
    }
    if (cause.sessions.empty() || cause.sessions.back() != s->id) {
      cause.sessions.push_back(s->id);
      ++draft.operations[s->operation];
    }
    return draft;
  }

  std::vector<Cause> finish() {
    std::map<std::vector<uint64_t>, std::vector<size_t>> answers;  // drafts of the same sessions
    std::vector<Cause> out;
    for (size_t i = 0; i < drafts_.size(); ++i) {
      Cause& c = drafts_[i].cause;
      std::sort(c.sessions.begin(), c.sessions.end());
      c.sessions.erase(std::unique(c.sessions.begin(), c.sessions.end()), c.sessions.end());
      std::vector<std::pair<size_t, std::string>> counts;
      for (const auto& [operation, n] : drafts_[i].operations) counts.emplace_back(n, operation);
      std::sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second < b.second;
      });
      for (auto& [n, operation] : counts) c.operations.push_back(std::move(operation));
      if (drafts_[i].field.empty()) {
        out.push_back(std::move(c));
      } else {
        answers[c.sessions].push_back(i);
      }
    }
    for (auto& [sessions, drafts] : answers) out.push_back(merged(drafts));
    std::sort(out.begin(), out.end(), [](const Cause& a, const Cause& b) {
      if (a.severity != b.severity) return a.severity > b.severity;
      if (a.sessions.size() != b.sessions.size()) return a.sessions.size() > b.sessions.size();
      return a.title < b.title;
    });
    for (Cause& c : out) c.title = shown(c.title, kMaxTitle);
    return out;
  }

  // The most severe, which names the other fields. drafts ascend in the order of first appearance.
  Cause merged(std::vector<size_t>& drafts) {
    std::sort(drafts.begin(), drafts.end(), [&](size_t a, size_t b) {
      const int of_a = drafts_[a].cause.severity, of_b = drafts_[b].cause.severity;
      return of_a != of_b ? of_a > of_b : a < b;
    });
    Cause out = std::move(drafts_[drafts[0]].cause);
    for (size_t i = 1; i < drafts.size() && i <= kMaxAlso; ++i) {
      out.title += (i == 1 ? "; also " : ", ") + shown(drafts_[drafts[i]].field, 60);
    }
    if (drafts.size() > kMaxAlso + 1) {
      out.title += fmt::format(", {} more", drafts.size() - 1 - kMaxAlso);
    }
    return out;
  }

  std::vector<Draft> drafts_;
  std::unordered_map<std::string, size_t> index_;
  std::unordered_map<size_t, uint64_t> first_;  // session of the example
};

}  // namespace

std::vector<Cause> causes(const RunResult& result) { return Grouping().run(result); }

}  // namespace reprise::run
