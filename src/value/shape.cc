#include "value/shape.h"

#include <array>
#include <cctype>

namespace reprise::value {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// '9' a digit, 'a' a letter, other characters themselves.
bool fits(std::string_view text, std::string_view pattern) {
  if (text.size() < pattern.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char p = pattern[i], c = text[i];
    if (p == '9' ? !is_digit(c) : p == 'a' ? !std::isalpha(static_cast<unsigned char>(c)) : p != c) {
      return false;
    }
  }
  return true;
}

bool is_uuid(std::string_view t) {
  if (t.size() != 36) return false;
  for (size_t i = 0; i < t.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? t[i] != '-' : !is_hex(t[i])) return false;
  }
  return true;
}

bool is_timestamp(std::string_view t) {
  return t.size() <= 40 && (fits(t, "9999-99-99T99:99") || fits(t, "9999-99-99 99:99:99") ||
                            fits(t, "aaa, 99 aaa 9999 99:99:99"));
}

bool is_epoch(std::string_view t, int64_t around_ns) {
  const size_t dot = t.find('.');
  const std::string_view whole = t.substr(0, dot);
  if (whole.size() < 10 || whole.size() > 19 || (dot != std::string_view::npos && whole.size() != 10)) {
    return false;
  }
  int64_t v = 0;
  for (char c : whole) {
    if (!is_digit(c) || v > (INT64_MAX - 9) / 10) return false;
    v = v * 10 + (c - '0');
  }
  for (size_t i = dot == std::string_view::npos ? t.size() : dot + 1; i < t.size(); ++i) {
    if (!is_digit(t[i])) return false;
  }
  constexpr int64_t kTwoDays = int64_t{2} * 86400 * 1000000000;
  for (int64_t unit : {int64_t{1000000000}, int64_t{1000000}, int64_t{1000}, int64_t{1}}) {
    if (v > INT64_MAX / unit) continue;
    const int64_t distance = v * unit - around_ns;
    if (distance > -kTwoDays && distance < kTwoDays) return true;
  }
  return false;
}

}  // namespace

const char* name(Shape s) {
  constexpr std::array<const char*, 6> kNames = {"plain", "uuid", "hex", "epoch", "timestamp", "token"};
  return kNames[static_cast<size_t>(s)];
}

Shape shape_of(std::string_view t, int64_t around_ns) {
  if (t.size() < 10 || t.size() > 256) return Shape::kPlain;
  if (is_uuid(t)) return Shape::kUuid;
  if (is_epoch(t, around_ns)) return Shape::kEpoch;
  if (is_timestamp(t)) return Shape::kTimestamp;
  bool hex = true, word = true, upper = false, lower = false, digit = false;
  for (char c : t) {
    hex = hex && is_hex(c);
    upper = upper || (c >= 'A' && c <= 'Z');
    lower = lower || (c >= 'a' && c <= 'z');
    digit = digit || is_digit(c);
    word = word && (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_');
  }
  if (hex && t.size() >= 16 && digit && (upper || lower)) return Shape::kHex;
  if (word && t.size() >= 20 && digit && upper && lower) return Shape::kToken;
  return Shape::kPlain;
}

}  // namespace reprise::value
