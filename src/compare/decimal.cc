#include "compare/decimal.h"

#include <cstdint>

namespace reprise::compare {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view take_digits(std::string_view& s) {
  size_t n = 0;
  while (n < s.size() && is_digit(s[n])) ++n;
  const std::string_view digits = s.substr(0, n);
  s.remove_prefix(n);
  return digits;
}

bool take_sign(std::string_view& s) {
  if (s.empty() || (s[0] != '-' && s[0] != '+')) return false;
  const bool negative = s[0] == '-';
  s.remove_prefix(1);
  return negative;
}

}  // namespace

std::string canonical_decimal(std::string_view text) {
  std::string_view s = text;
  const bool negative = take_sign(s);
  std::string digits(take_digits(s));
  int64_t exponent = 0;
  if (!s.empty() && s[0] == '.') {
    s.remove_prefix(1);
    const std::string_view fraction = take_digits(s);
    digits += fraction;
    exponent = -static_cast<int64_t>(fraction.size());
  }
  if (digits.empty()) return std::string(text);
  if (!s.empty() && (s[0] == 'e' || s[0] == 'E')) {
    s.remove_prefix(1);
    const bool below = take_sign(s);
    const std::string_view power = take_digits(s);
    if (power.empty() || power.size() > 17) return std::string(text);
    int64_t value = 0;
    for (const char c : power) value = value * 10 + (c - '0');
    exponent += below ? -value : value;
  }
  if (!s.empty()) return std::string(text);
  const size_t first = digits.find_first_not_of('0');
  if (first == std::string::npos) return "0";
  const size_t last = digits.find_last_not_of('0');
  exponent += static_cast<int64_t>(digits.size() - 1 - last);
  return (negative ? "-" : "") + digits.substr(first, last + 1 - first) + 'e' +
         std::to_string(exponent);
}

}  // namespace reprise::compare
