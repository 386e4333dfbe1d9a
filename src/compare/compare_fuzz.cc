// Two answers out of one input. Whatever they are: no crash, bounded output, nothing found against
// itself, and bytes that differ where no structure excuses them are found.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "compare/compare.h"

using reprise::LeafForm;
using reprise::compare::Difference;

namespace {

// Control byte, then parts separated by 0xff: body, content type, a header, a row leaf.
reprise::wire::Answer answer(std::string_view text, uint8_t mode) {
  constexpr const char* kTypes[] = {"application/json", "text/html", "image/png",
                                    "application/x-www-form-urlencoded"};
  constexpr const char* kPaths[] = {"header.set-cookie", "header.expires",     "row[0].id",
                                    "value[1]",          "result[1].row[0].x", "error",
                                    "value.rest",        "header.date[1]"};
  reprise::wire::Answer a;
  a.leaves.push_back({"header.content-type", kTypes[mode & 3]});
  for (size_t n = 0; !text.empty() || n == 0; ++n) {
    const std::string_view part = text.substr(0, text.find('\xff'));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    if (n == 0) {
      a.leaves.push_back({"body", std::string(part), LeafForm::kBody});
    } else {
      a.leaves.push_back({kPaths[n % 8], std::string(part), static_cast<LeafForm>(n / 8 % 7)});
    }
  }
  return a;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t half = rest.find('\xfe') == rest.npos ? rest.size() / 2 : rest.find('\xfe');
  reprise::compare::Rules rules = reprise::compare::default_rules();
  rules.ignore = {"body.a", "body[*].b", "row[*].*"};
  rules.shift_times = (data[0] & 16) != 0;
  rules.recorded_ns = rules.live_ns = int64_t{1767225600} * 1000000000;
  const auto a = answer(rest.substr(0, half), data[0]);
  const auto b = answer(rest.substr(half), data[0] >> 2);
  if (!compare_answers(a, a, rules).empty()) std::abort();
  const auto list = compare_answers(a, b, rules);
  if (list.size() > 2 * reprise::compare::kMaxDifferences + 2) std::abort();
  for (const Difference& d : list) {
    if (d.recorded.size() > reprise::compare::kMaxShown) std::abort();
    if (d.live.size() > reprise::compare::kMaxShown) std::abort();
    if (d.forgiven == d.rule.empty()) std::abort();
    reprise::compare::general_path(d.path);
  }
  // What is found one way is found the other way.
  if (!rules.shift_times && differs(list) != differs(compare_answers(b, a, rules))) std::abort();
  return 0;
}
