#include "compare/compare.h"

#include <array>
#include <cctype>

#include "compare/body.h"
#include "compare/findings.h"
#include "compare/header_diff.h"
#include "compare/json_diff.h"

namespace reprise::compare {

namespace {

size_t size_of(const Leaf* body) { return body == nullptr ? 0 : body->text.size(); }

void compare_status(const wire::Answer& recorded, const wire::Answer& live, Findings& findings) {
  const Leaf* a = find_leaf(recorded.leaves, "status");
  const Leaf* b = find_leaf(live.leaves, "status");
  if (a != nullptr && b != nullptr && a->text == b->text) return;
  if (a == nullptr && b == nullptr) {
    // Protocols without a status still tell errors from answers.
    if (recorded.error == live.error) return;
    const Findings::Step step(findings, "error");
    return findings.add(Kind::kStatus, recorded.label, live.label);
  }
  const Findings::Step step(findings, "status");
  findings.add(Kind::kStatus, a != nullptr ? a->text : recorded.label,
               b != nullptr ? b->text : live.label);
}

}  // namespace

const char* name(Kind k) {
  constexpr std::array<const char*, 7> kNames = {"status", "content type", "removed", "type",
                                                 "value",  "order",        "added"};
  return kNames[static_cast<size_t>(k)];
}

int severity(Kind k) {
  switch (k) {
    case Kind::kStatus:
    case Kind::kContentType:
    case Kind::kRemoved:
    case Kind::kType:
      return 3;
    case Kind::kValue:
    case Kind::kOrder:
      return 2;
    case Kind::kAdded:
      return 1;
  }
  return 1;
}

Rules default_rules() {
  Rules r;
  r.volatile_headers = {"date",
                        "age",
                        "expires",
                        "x-request-id",
                        "request-id",
                        "x-trace-id",
                        "x-correlation-id",
                        "x-amzn-trace-id",
                        "traceparent",
                        "tracestate",
                        "b3",
                        "x-b3-*",
                        "uber-trace-id",
                        "server-timing",
                        "x-runtime",
                        "x-response-time",
                        "cf-ray",
                        "via",
                        "x-served-by",
                        "x-timer",
                        "x-amz-cf-id",
                        "x-amz-request-id"};
  return r;
}

std::vector<Difference> compare_answers(const wire::Answer& recorded, const wire::Answer& live,
                                        const Rules& rules) {
  Findings findings(rules);
  compare_status(recorded, live, findings);
  const Headers before(recorded.leaves), after(live.leaves);
  const Leaf* body = find_leaf(recorded.leaves, "body");
  const Leaf* live_body = find_leaf(live.leaves, "body");
  compare_content_type(before, after, findings);
  compare_headers(before, after, {size_of(body), size_of(live_body)}, findings);
  compare_body(body, before.media_type(), live_body, after.media_type(), findings);
  compare_json(tree_of(recorded.leaves), tree_of(live.leaves), findings);
  return findings.take();
}

bool differs(const std::vector<Difference>& differences) {
  for (const Difference& d : differences) {
    if (!d.forgiven) return true;
  }
  return false;
}

std::string general_path(std::string_view path) {
  std::string out;
  for (size_t i = 0; i < path.size(); ++i) {
    out += path[i];
    if (path[i] == '[') {
      const size_t end = path.find(']', i);
      if (end == path.npos) break;
      i = end - 1;
    } else if (path.substr(i, 6) == ":line " || path.substr(i, 6) == ":byte ") {
      out += path.substr(i + 1, 4);
      break;
    }
  }
  return out;
}

}  // namespace reprise::compare
