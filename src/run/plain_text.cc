#include "run/plain_text.h"

#include <fmt/format.h>

#include <cstdint>

namespace reprise::run {

namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t length = 0;  // 0: no UTF-8
};

CodePoint decode(std::string_view s) {
  const auto at = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const uint32_t c = at(0);
  if (c < 0x80) return {c, 1};
  const size_t n = c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
  if (n == 0 || c >= 0xf5) return {};
  uint32_t v = c & (0xffu >> (n + 1));
  for (size_t i = 1; i < n; ++i) {
    if ((at(i) & 0xc0) != 0x80) return {};
    v = v << 6 | (at(i) & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (v < kLeast[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) return {};
  return {v, n};
}

// C0 and C1 controls, and marks that reorder or hide the text around them.
bool is_harmful(uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff ||
         (c & 0xfffe) == 0xfffe;
}

std::string escaped(std::string_view bytes) {
  if (bytes == "\n") return "\\n";
  if (bytes == "\r") return "\\r";
  if (bytes == "\t") return "\\t";
  std::string out;
  for (const char c : bytes) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return out;
}

}  // namespace

std::string shown(std::string_view text, size_t columns) {
  std::string out;
  size_t width = 0, cut = 0;  // cut: where "..." would go
  while (!text.empty()) {
    const CodePoint c = decode(text);
    const size_t n = c.length == 0 ? 1 : c.length;
    const bool plain = c.length > 0 && !is_harmful(c.value);
    const std::string piece = plain ? std::string(text.substr(0, n)) : escaped(text.substr(0, n));
    width += plain ? 1 : piece.size();
    if (width > columns) {
      out.resize(cut);
      return out + "...";
    }
    out += piece;
    if (width + 3 <= columns) cut = out.size();
    text.remove_prefix(n);
  }
  return out;
}

std::string xml(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint c = decode(text);
    const size_t n = c.length == 0 ? 1 : c.length;
    const char first = text[0];
    if (first == '&') {
      out += "&amp;";
    } else if (first == '<') {
      out += "&lt;";
    } else if (first == '>') {
      out += "&gt;";
    } else if (first == '"') {
      out += "&quot;";
    } else if (first == '\n') {
      out += "&#10;";
    } else if (first == '\t') {
      out += "&#9;";
    } else if (c.length > 0 && !is_harmful(c.value)) {
      out += text.substr(0, n);
    } else {
      out += escaped(text.substr(0, n));
    }
    text.remove_prefix(n);
  }
  return out;
}

std::string duration(int64_t ns) {
  if (ns < 1000000) return fmt::format("{} us", ns / 1000);
  if (ns < 1000000000) return fmt::format("{} ms", ns / 1000000);
  return fmt::format("{:.2f} s", static_cast<double>(ns) / 1e9);
}

std::string grouped(uint64_t n) {
  const std::string digits = std::to_string(n);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

}  // namespace reprise::run
