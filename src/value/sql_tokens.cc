// Two things depend on the dialect. A backslash in a string escapes in MySQL and does not in
// PostgreSQL: the statement is read with escapes first, and again without if that leaves a string
// open or a backslash outside of one. Double quotes enclose strings in MySQL and names elsewhere:
// they are names if one of them stands where only a name can, and backquotes do not appear.
#include "value/sql_tokens.h"

#include <algorithm>
#include <cctype>

#include "base/bytes.h"

namespace reprise::value {

namespace {

using Kind = SqlToken::Kind;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0;
}

class Tokenizer {
 public:
  Tokenizer(std::string_view sql, bool escapes) : sql_(sql), escapes_(escapes) {}

  bool run() {
    while (skip_blank()) one();
    return sound_;
  }
  std::vector<SqlToken> take() {
    decide_double_quotes();
    return std::move(tokens_);
  }

 private:
  char at(size_t ahead) const { return pos_ + ahead < sql_.size() ? sql_[pos_ + ahead] : '\0'; }

  void push(Kind kind, size_t begin, char quote = 0, bool escapes = false) {
    tokens_.push_back({kind, sql_.substr(begin, pos_ - begin), quote, escapes});
  }

  bool skip_blank() {
    while (pos_ < sql_.size()) {
      const char c = sql_[pos_];
      if (is_space(c) || c == '\0') {
        ++pos_;
      } else if ((c == '-' && at(1) == '-') || is_hash_comment()) {
        pos_ = std::min(sql_.find('\n', pos_), sql_.size());
      } else if (c == '/' && at(1) == '*') {
        skip_comment();
      } else if (executable_ && c == '*' && at(1) == '/') {
        executable_ = false;
        pos_ += 2;
      } else {
        return true;
      }
    }
    return false;
  }
  // # is an operator in PostgreSQL (#>, #>>, #-, a # b without blanks around it is rare).
  bool is_hash_comment() const {
    if (at(0) != '#' || at(1) == '>' || at(1) == '-' || at(1) == '#') return false;
    return pos_ == 0 || is_space(sql_[pos_ - 1]) || sql_[pos_ - 1] == ';';
  }
  void skip_comment() {
    pos_ += 2;
    if (at(0) == '!' || (at(0) == 'M' && at(1) == '!')) {
      while (at(0) == '!' || at(0) == 'M' || is_digit(at(0))) ++pos_;
      executable_ = true;
      return;
    }
    const size_t end = sql_.find("*/", pos_);
    pos_ = end == std::string_view::npos ? sql_.size() : end + 2;
  }

  void one() {
    const size_t begin = pos_;
    const char c = sql_[pos_];
    if (is_digit(c) || (c == '.' && is_digit(at(1)) && !after_name())) return number(begin);
    if (is_word(c)) return word(begin);
    if (c == '\'' || c == '"') {
      quoted(c, escapes_);
      return push(Kind::kLiteral, begin, c, escapes_);
    }
    if (c == '`') {
      backquotes_ = true;
      quoted(c, false);
      return push(Kind::kName, begin);
    }
    if (c == '$' && dollar(begin)) return;
    if (c == '?' || (c == '%' && at(1) == 's' && !is_word(at(2)))) {
      pos_ += c == '?' ? 1 : 2;
      return push(Kind::kPlaceholder, begin);
    }
    if (c == ':' && at(1) != ':' && is_word(at(1)) && !is_digit(at(1))) {
      ++pos_;
      while (is_word(at(0)) && pos_ < sql_.size()) ++pos_;
      return push(Kind::kPlaceholder, begin);
    }
    if (c == '\\') sound_ = false;
    operator_at(begin);
  }

  bool after_name() const {
    return !tokens_.empty() && pos_ > 0 && !is_space(sql_[pos_ - 1]) &&
           (tokens_.back().kind == Kind::kWord || tokens_.back().kind == Kind::kName);
  }
  void number(size_t begin) {
    if (at(0) == '0' && (at(1) == 'x' || at(1) == 'X')) pos_ += 2;
    while (pos_ < sql_.size()) {
      const char c = sql_[pos_];
      const bool exponent = (c == '+' || c == '-') && pos_ > begin &&
                            (sql_[pos_ - 1] == 'e' || sql_[pos_ - 1] == 'E') && is_digit(at(1)) &&
                            sql_.substr(begin, 2) != "0x";
      if (!is_word(c) && c != '.' && !exponent) break;
      ++pos_;
    }
    push(Kind::kLiteral, begin);
  }
  void word(size_t begin) {
    while (pos_ < sql_.size() && (is_word(sql_[pos_]) || sql_[pos_] == '$')) ++pos_;
    const std::string_view w = sql_.substr(begin, pos_ - begin);
    // x'00' b'1' n'..' e'..' and MySQL's _utf8'..'
    const bool prefix = w.size() == 1
                            ? std::string_view("xXbBnNeE").find(w[0]) != std::string_view::npos
                            : w[0] == '_';
    if (prefix && at(0) == '\'') {
      const bool escapes = escapes_ || w[0] == 'e' || w[0] == 'E';
      quoted('\'', escapes);
      return push(Kind::kLiteral, begin, '\'', escapes);
    }
    push(Kind::kWord, begin);
  }
  void quoted(char quote, bool escapes) {
    for (++pos_; pos_ < sql_.size(); ++pos_) {
      if (escapes && sql_[pos_] == '\\') {
        ++pos_;
      } else if (sql_[pos_] == quote) {
        if (at(1) != quote) {
          ++pos_;
          return;
        }
        ++pos_;
      }
    }
    pos_ = sql_.size();
    sound_ = false;
  }
  bool dollar(size_t begin) {
    if (is_digit(at(1))) {
      ++pos_;
      while (is_digit(at(0))) ++pos_;
      push(Kind::kPlaceholder, begin);
      return true;
    }
    size_t end = pos_ + 1;
    while (end < sql_.size() && is_word(sql_[end])) ++end;
    if (end >= sql_.size() || sql_[end] != '$' || no_dollar_) return false;
    const std::string_view tag = sql_.substr(pos_, end + 1 - pos_);
    const size_t close = sql_.find(tag, end + 1);
    no_dollar_ = close == std::string_view::npos;  // so that hopeless searches are done once
    if (no_dollar_) return false;
    pos_ = close + tag.size();
    push(Kind::kLiteral, begin, '$');
    return true;
  }
  void operator_at(size_t begin) {
    constexpr std::string_view kTwo[] = {
        "::", "<=", ">=", "<>", "!=", "||", "&&", ":=", "->", "<<", ">>", "@>", "<@", "~*", "#>"};
    const std::string_view two = sql_.substr(pos_, 2);
    pos_ += std::find(std::begin(kTwo), std::end(kTwo), two) != std::end(kTwo) ? 2 : 1;
    push(Kind::kOther, begin);
  }

  void decide_double_quotes() {
    bool names = false;
    for (size_t i = 0; i < tokens_.size() && !backquotes_; ++i) {
      if (tokens_[i].quote != '"') continue;
      const std::string_view before = i > 0 ? tokens_[i - 1].text : std::string_view();
      const std::string_view after =
          i + 1 < tokens_.size() ? tokens_[i + 1].text : std::string_view();
      names = names || before == "." || after == ".";
      for (const char* w : {"from", "join", "into", "update", "table", "as", "exists", "column"})
        names = names || iequals(before, w);
    }
    if (!names) return;
    for (SqlToken& t : tokens_) {
      if (t.quote == '"') t = {Kind::kName, t.text, 0, false};
    }
  }

  std::string_view sql_;
  bool escapes_;
  size_t pos_ = 0;
  bool sound_ = true;
  bool executable_ = false;
  bool no_dollar_ = false;
  bool backquotes_ = false;
  std::vector<SqlToken> tokens_;
};

}  // namespace

std::vector<SqlToken> sql_tokens(std::string_view sql) {
  Tokenizer with(sql, true);
  if (with.run()) return with.take();
  Tokenizer without(sql, false);
  return without.run() ? without.take() : with.take();
}

std::string sql_unquote(const SqlToken& literal) {
  std::string_view t = literal.text;
  if (literal.quote == 0) return std::string(t);
  if (literal.quote == '$') {
    const size_t tag = t.find('$', 1) + 1;
    return std::string(t.substr(tag, t.size() - 2 * tag));
  }
  const size_t open = t.find(literal.quote);
  if (open == 1 && std::string_view("xXbB").find(t[0]) != std::string_view::npos)
    return std::string(t);
  t.remove_prefix(open + 1);
  if (!t.empty() && t.back() == literal.quote) t.remove_suffix(1);
  std::string out;
  for (size_t i = 0; i < t.size(); ++i) {
    if (literal.escapes && t[i] == '\\' && i + 1 < t.size()) {
      const char c = t[++i];
      out.push_back(c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c == '0' ? '\0' : c);
    } else {
      if (t[i] == literal.quote && i + 1 < t.size()) ++i;
      out.push_back(t[i]);
    }
  }
  return out;
}

}  // namespace reprise::value
