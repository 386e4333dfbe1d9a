#include "compare/pattern.h"

#include <cstddef>

namespace reprise::compare {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// One star is tried at a time: the last one takes one character more. That is enough, as a later
// star takes over all freedom of an earlier one, and costs at most pattern times text. done(i): the
// pattern ended; whether text may go on with text[i].
bool match(std::string_view pattern, std::string_view text, const auto& star_takes,
           const auto& done) {
  size_t p = 0, t = 0, star = std::string_view::npos, from = 0;
  for (;;) {
    if (p == pattern.size() && done(t)) return true;
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && t < text.size() && lower(pattern[p]) == lower(text[t])) {
      ++p, ++t;
    } else if (star != std::string_view::npos && from < text.size() && star_takes(star, from)) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
}

}  // namespace

bool covers(std::string_view pattern, std::string_view path) {
  return match(
      pattern, path,
      [&](size_t star, size_t at) {
        const char c = path[at];
        if (star > 0 && pattern[star - 1] == '[') return c != ']';
        return c != '.' && c != '[' && c != ']' && c != ':';
      },
      [&](size_t at) {
        return at == path.size() || path[at] == '.' || path[at] == '[' || path[at] == ':';
      });
}

bool glob(std::string_view pattern, std::string_view text) {
  return match(
      pattern, text, [](size_t, size_t) { return true; },
      [&](size_t at) { return at == text.size(); });
}

}  // namespace reprise::compare
