#include "base/json.h"

#include <cmath>
#include <cstdlib>

namespace reprise {

namespace {

// Length of the UTF-8 sequence at the front, 0 if it is not one.
size_t utf8_length(std::string_view s) {
  const auto at = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const unsigned c = at(0);
  const auto tail = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
  if (c < 0x80) return 1;
  if (c >= 0xc2 && c < 0xe0) return tail(1) ? 2 : 0;
  if (c >= 0xe0 && c < 0xf0) {
    if (!tail(1) || !tail(2)) return 0;
    if (c == 0xe0 && at(1) < 0xa0) return 0;
    if (c == 0xed && at(1) >= 0xa0) return 0;
    return 3;
  }
  if (c >= 0xf0 && c < 0xf5) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (c == 0xf0 && at(1) < 0x90) return 0;
    if (c == 0xf4 && at(1) >= 0x90) return 0;
    return 4;
  }
  return 0;
}

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Json> parse() {
    Json value;
    if (!element(value, 0)) return fail(fmt::format("not JSON: {} at byte {}", why_, at_));
    space();
    if (at_ != text_.size()) return fail(fmt::format("not JSON: text after the value at byte {}", at_));
    return value;
  }

 private:
  static constexpr int kDeepest = 200;

  bool bad(const char* why) {
    why_ = why;
    return false;
  }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' ||
                                  text_[at_] == '\t')) {
      ++at_;
    }
  }
  bool eat(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view w) {
    if (text_.substr(at_, w.size()) != w) return bad("unknown word");
    at_ += w.size();
    return true;
  }
  bool element(Json& out, int depth) {
    if (depth > kDeepest) return bad("too deep");
    space();
    if (at_ >= text_.size()) return bad("unexpected end");
    switch (text_[at_]) {
      case '{': return object(out, depth);
      case '[': return array(out, depth);
      case '"': out.type = Json::Type::kString; return string(out.text);
      case 't': out.type = Json::Type::kBool; out.boolean = true; return word("true");
      case 'f': out.type = Json::Type::kBool; return word("false");
      case 'n': return word("null");
      default: return number(out);
    }
  }
  bool object(Json& out, int depth) {
    out.type = Json::Type::kObject;
    ++at_;
    if (eat('}')) return true;
    do {
      space();
      std::string name;
      if (at_ >= text_.size() || text_[at_] != '"' || !string(name)) return bad("a name expected");
      if (!eat(':')) return bad("':' expected");
      out.members.push_back({std::move(name), Json()});
      if (!element(out.members.back().second, depth + 1)) return false;
    } while (eat(','));
    return eat('}') || bad("',' or '}' expected");
  }
  bool array(Json& out, int depth) {
    out.type = Json::Type::kArray;
    ++at_;
    if (eat(']')) return true;
    do {
      out.items.emplace_back();
      if (!element(out.items.back(), depth + 1)) return false;
    } while (eat(','));
    return eat(']') || bad("',' or ']' expected");
  }
  bool number(Json& out) {
    const size_t from = at_;
    const auto digits = [&] {
      const size_t first = at_;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
      return at_ - first;
    };
    if (at_ < text_.size() && text_[at_] == '-') ++at_;
    const size_t whole = at_;
    const size_t n = digits();
    if (n == 0 || (n > 1 && text_[whole] == '0')) return bad("a value expected");
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      if (digits() == 0) return bad("digits expected");
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (digits() == 0) return bad("digits expected");
    }
    out.type = Json::Type::kNumber;
    out.text = std::string(text_.substr(from, at_ - from));
    return true;
  }
  bool hex4(uint32_t& out) {
    if (text_.size() - at_ < 4) return bad("four digits expected");
    out = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = text_[at_];
      const int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                                 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (v < 0) return bad("four digits expected");
      out = out << 4 | static_cast<uint32_t>(v);
    }
    return true;
  }
  bool escape(std::string& out) {
    if (at_ >= text_.size()) return bad("unexpected end");
    switch (text_[at_++]) {
      case '"': out += '"'; return true;
      case '\\': out += '\\'; return true;
      case '/': out += '/'; return true;
      case 'b': out += '\b'; return true;
      case 'f': out += '\f'; return true;
      case 'n': out += '\n'; return true;
      case 'r': out += '\r'; return true;
      case 't': out += '\t'; return true;
      case 'u': {
        uint32_t c = 0;
        if (!hex4(c)) return false;
        if (c >= 0xd800 && c < 0xdc00 && text_.substr(at_, 2) == "\\u") {
          const size_t back = at_;
          at_ += 2;
          uint32_t low = 0;
          if (!hex4(low)) return false;
          if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
          } else {
            at_ = back;
          }
        }
        append_utf8(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
        return true;
      }
      default: return bad("unknown escape");
    }
  }
  bool string(std::string& out) {
    ++at_;
    while (at_ < text_.size()) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c < 0x20) return bad("a control character in a string");
      ++at_;
      if (c == '\\') {
        if (!escape(out)) return false;
      } else {
        out += static_cast<char>(c);
      }
    }
    return bad("a string without end");
  }

  std::string_view text_;
  size_t at_ = 0;
  const char* why_ = "";
};

}  // namespace

void JsonWriter::indent() {
  if (!pretty_) return;
  out_ += '\n';
  out_.append(has_elements_.size() * 2, ' ');
}

void JsonWriter::separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (has_elements_.empty()) return;
  if (has_elements_.back()) out_ += ',';
  has_elements_.back() = true;
  indent();
}

JsonWriter& JsonWriter::open(char c) {
  separate();
  out_ += c;
  has_elements_.push_back(false);
  return *this;
}

JsonWriter& JsonWriter::close(char c) {
  const bool had = has_elements_.back();
  has_elements_.pop_back();
  if (had) indent();
  out_ += c;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  string(name);
  out_ += pretty_ ? ": " : ":";
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

JsonWriter& JsonWriter::number(double value) {
  return std::isfinite(value) ? raw(fmt::format("{:.6g}", value)) : null();
}

JsonWriter& JsonWriter::string(std::string_view s) {
  separate();
  out_ += '"';
  while (!s.empty()) {
    const auto c = static_cast<unsigned char>(s[0]);
    size_t n = 1;
    if (c == '"' || c == '\\') {
      out_ += '\\', out_ += static_cast<char>(c);
    } else if (c == '\n') {
      out_ += "\\n";
    } else if (c == '\r') {
      out_ += "\\r";
    } else if (c == '\t') {
      out_ += "\\t";
    } else if (c < 0x20) {
      out_ += fmt::format("\\u{:04x}", c);
    } else if ((n = utf8_length(s)) > 0) {
      out_ += s.substr(0, n);
    } else {
      out_ += "\xef\xbf\xbd";
      n = 1;
    }
    s.remove_prefix(n);
  }
  out_ += '"';
  return *this;
}

const Json* Json::get(std::string_view name) const {
  for (const auto& [key, value] : members) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string Json::string_or(std::string_view name, std::string_view otherwise) const {
  const Json* v = get(name);
  return v != nullptr && v->type == Type::kString ? v->text : std::string(otherwise);
}

int64_t Json::integer_or(std::string_view name, int64_t otherwise) const {
  const Json* v = get(name);
  return v != nullptr && v->type == Type::kNumber ? std::strtoll(v->text.c_str(), nullptr, 10) : otherwise;
}

bool Json::bool_or(std::string_view name, bool otherwise) const {
  const Json* v = get(name);
  return v != nullptr && v->type == Type::kBool ? v->boolean : otherwise;
}

std::vector<std::string> Json::strings(std::string_view name) const {
  std::vector<std::string> out;
  if (const Json* v = get(name)) {
    for (const Json& item : v->items) out.push_back(item.text);
  }
  return out;
}

Result<Json> parse_json(std::string_view text) { return Parser(text).parse(); }

}  // namespace reprise
