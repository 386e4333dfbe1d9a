#include "compare/text_diff.h"

#include <algorithm>

#include "base/bytes.h"

namespace reprise::compare {

namespace {

constexpr size_t kShort = 200;   // shown as it is
constexpr size_t kContext = 60;  // shown in front of a difference in a long line

bool is_binary(std::string_view s) {
  return std::any_of(s.begin(), s.end(), [](unsigned char c) {
    return c < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b;
  });
}

// The line that holds `at`, with what surrounds the column if it is long.
std::string line_at(std::string_view text, size_t begin, size_t at) {
  const std::string_view line = text.substr(begin, text.find('\n', at) - begin);
  if (line.size() <= kShort || at - begin <= kContext) return shorten(line, kShort);
  size_t from = at - begin - kContext;
  while (from < line.size() && (static_cast<unsigned char>(line[from]) & 0xc0) == 0x80) ++from;
  return "..." + shorten(line.substr(from), kShort);
}

std::string more_lines(std::string_view text, size_t begin, size_t same_behind) {
  const size_t end = std::max(begin, text.size() - same_behind);
  const auto n = std::count(text.begin() + ptrdiff_t(begin), text.begin() + ptrdiff_t(end), '\n');
  return n > 0 ? " (and " + std::to_string(n) + (n == 1 ? " line more)" : " lines more)") : "";
}

std::string bytes_at(std::string_view s, size_t at) {
  std::string out = std::to_string(s.size()) + " bytes";
  if (at >= s.size()) return out + ", ended";
  out += ", here";
  for (const char c : s.substr(at, 8)) out += ' ' + to_hex(std::string_view(&c, 1));
  return out;
}

}  // namespace

void compare_text(std::string_view a, std::string_view b, Findings& findings) {
  if (a == b) return;
  const auto differ = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto at = size_t(differ.first - a.begin());
  if (is_binary(a) || is_binary(b)) {
    const Findings::Step step(findings, ":byte " + std::to_string(at));
    return findings.add(Kind::kValue, bytes_at(a, at), bytes_at(b, at));
  }
  const bool lines = a.find('\n') != a.npos || b.find('\n') != b.npos;
  if (!lines && a.size() <= kShort && b.size() <= kShort) return findings.add(Kind::kValue, a, b);
  const size_t before = at == 0 ? a.npos : a.rfind('\n', at - 1);
  const size_t begin = before == a.npos ? 0 : before + 1;
  const auto number = 1 + std::count(a.begin(), a.begin() + ptrdiff_t(begin), '\n');
  const size_t most = std::min(a.size(), b.size()) - at;
  const auto back = std::mismatch(a.rbegin(), a.rbegin() + ptrdiff_t(most), b.rbegin());
  const auto behind = size_t(back.first - a.rbegin());
  const Findings::Step step(findings, lines ? ":line " + std::to_string(number) : "");
  findings.add(Kind::kValue, line_at(a, begin, at) + more_lines(a, at, behind),
               line_at(b, begin, at) + more_lines(b, at, behind));
}

}  // namespace reprise::compare
