#include "wire/sql_words.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace reprise::wire {

namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0;
}
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Tokens of a statement, one pass, no allocation but the lower-cased word.
class Scanner {
 public:
  enum class Kind : uint8_t { kEnd, kWord, kNumber, kString, kName, kPunct };

  Scanner(ByteView sql, SqlDialect dialect) : sql_(sql), dialect_(dialect) {}

  Kind next() {
    skip_blank();
    if (pos_ >= sql_.size()) return Kind::kEnd;
    const char c = sql_[pos_];
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      take_word();
      return Kind::kNumber;
    }
    if (is_word(c)) {
      take_word();
      if (word_ == "e" && dialect_ == SqlDialect::kPostgres && peek() == '\'') {
        quoted('\'', true);
        return Kind::kString;
      }
      return Kind::kWord;
    }
    if (c == '\'') return quoted(c, dialect_ == SqlDialect::kMysql), Kind::kString;
    if (c == '"') {
      const bool mysql = dialect_ == SqlDialect::kMysql;
      return quoted(c, mysql), mysql ? Kind::kString : Kind::kName;
    }
    if (c == '`') return quoted(c, false), Kind::kName;
    if (c == '$' && dialect_ == SqlDialect::kPostgres && dollar_quoted()) return Kind::kString;
    punct_ = c;
    ++pos_;
    return Kind::kPunct;
  }
  const std::string& word() const { return word_; }
  char punct() const { return punct_; }

 private:
  char peek(size_t ahead = 0) const {
    return pos_ + ahead < sql_.size() ? sql_[pos_ + ahead] : '\0';
  }

  void skip_blank() {
    while (pos_ < sql_.size()) {
      const char c = sql_[pos_];
      if (is_space(c)) {
        ++pos_;
      } else if ((c == '-' && peek(1) == '-') || (c == '#' && dialect_ == SqlDialect::kMysql)) {
        pos_ = std::min(sql_.find('\n', pos_), sql_.size());
      } else if (c == '/' && peek(1) == '*') {
        skip_comment();
      } else if (c == '*' && peek(1) == '/' && executable_) {
        executable_ = false;
        pos_ += 2;
      } else {
        return;
      }
    }
  }
  void skip_comment() {
    pos_ += 2;
    if (dialect_ == SqlDialect::kMysql) {
      if (peek() == '!' || (peek() == 'M' && peek(1) == '!')) {
        while (pos_ < sql_.size() && (sql_[pos_] == '!' || sql_[pos_] == 'M' ||
                                      std::isdigit(static_cast<unsigned char>(sql_[pos_])) != 0))
          ++pos_;
        executable_ = true;
        return;
      }
      const size_t end = sql_.find("*/", pos_);
      pos_ = end == ByteView::npos ? sql_.size() : end + 2;
      return;
    }
    for (size_t depth = 1; depth > 0 && pos_ < sql_.size();) {
      if (sql_[pos_] == '*' && peek(1) == '/') {
        --depth;
        pos_ += 2;
      } else if (sql_[pos_] == '/' && peek(1) == '*') {
        ++depth;
        pos_ += 2;
      } else {
        ++pos_;
      }
    }
  }
  void take_word() {
    word_.clear();
    while (pos_ < sql_.size() && (is_word(sql_[pos_]) || sql_[pos_] == '$')) {
      if (word_.size() < 32)
        word_.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(sql_[pos_]))));
      ++pos_;
    }
  }
  void quoted(char quote, bool escapes) {
    for (++pos_; pos_ < sql_.size(); ++pos_) {
      if (escapes && sql_[pos_] == '\\') {
        ++pos_;
      } else if (sql_[pos_] == quote) {
        if (peek(1) != quote) {
          ++pos_;
          return;
        }
        ++pos_;
      }
    }
    pos_ = sql_.size();
  }
  // A tag that never closes is remembered as hopeless, so that the search is done once.
  bool dollar_quoted() {
    size_t end = pos_ + 1;
    while (end < sql_.size() && is_word(sql_[end])) ++end;
    if (end >= sql_.size() || sql_[end] != '$' || no_dollar_) return false;
    if (std::isdigit(static_cast<unsigned char>(sql_[pos_ + 1])) != 0) return false;
    const ByteView tag = sql_.substr(pos_, end + 1 - pos_);
    const size_t close = sql_.find(tag, end + 1);
    if (close == ByteView::npos) {
      no_dollar_ = true;
      return false;
    }
    pos_ = close + tag.size();
    return true;
  }

  ByteView sql_;
  SqlDialect dialect_;
  size_t pos_ = 0;
  bool executable_ = false;
  bool no_dollar_ = false;
  char punct_ = 0;
  std::string word_;
};

template <size_t N>
bool among(const std::string& word, const std::array<const char*, N>& words) {
  return std::any_of(words.begin(), words.end(), [&](const char* w) { return word == w; });
}

constexpr std::array kReads = {"show",  "describe", "desc",     "explain", "values",    "table",
                               "begin", "start",    "rollback", "abort",   "savepoint", "release",
                               "fetch", "declare",  "close",    "move",    "help",      "checksum"};
constexpr std::array kSetup = {"use", "deallocate", "discard", "reset", "listen", "unlisten"};
constexpr std::array kChanging = {"insert",   "update",       "delete",  "merge",
                                  "replace",  "into",         "nextval", "setval",
                                  "get_lock", "release_lock", "share"};

// One statement: words are offered in order.
class Statement {
 public:
  void word(const std::string& w, SqlDialect dialect) {
    if (++words_ == 1) {
      first_ = w;
      if (w == "select" || w == "with")
        traits_ = {Effect::kRead, Tier::kCall};
      else if (w == "set")
        traits_ = {Effect::kRead, Tier::kSetup};
      else if (among(w, kSetup))
        traits_ = {Effect::kRead, Tier::kSetup};
      else if (among(w, kReads))
        traits_ = {Effect::kRead, Tier::kCall};
      else
        traits_ = {Effect::kWrite, Tier::kCall};
      if (w == "show" && dialect == SqlDialect::kPostgres) traits_.tier = Tier::kSetup;
      return;
    }
    if (first_ == "set" && words_ == 2 && (w == "global" || w == "password" || w == "persist")) {
      traits_ = {Effect::kWrite, Tier::kCall};
    } else if ((first_ == "select" || first_ == "with") &&
               (among(w, kChanging) || w.starts_with("pg_advisory") ||
                w.starts_with("pg_try_advisory"))) {
      traits_.effect = Effect::kWrite;
    } else if (first_ == "copy" && w == "to") {
      traits_.effect = Effect::kRead;
    } else if (first_ == "copy" && w == "from" && !nested_) {
      traits_.effect = Effect::kWrite;
    } else if (first_ == "prepare" && words_ == 2) {
      traits_ = {Effect::kRead, Tier::kSetup};
    }
  }
  void other(Scanner::Kind kind, const std::string& text, char punct) {
    if (punct == '(') ++nested_;
    if (punct == ')' && nested_ > 0) --nested_;
    if (kind == Scanner::Kind::kPunct && words_ == 0 && punct == '(') return;
    ++others_;
    one_ = kind == Scanner::Kind::kNumber && text == "1";
  }
  bool empty() const { return words_ == 0 && others_ == 0; }
  SqlTraits traits() const {
    if (words_ == 1 && others_ == 1 && one_ && first_ == "select")
      return {Effect::kRead, Tier::kHeartbeat};
    return traits_;
  }

 private:
  std::string first_;
  size_t words_ = 0;
  size_t others_ = 0;
  size_t nested_ = 0;
  bool one_ = false;
  SqlTraits traits_{Effect::kWrite, Tier::kCall};
};

}  // namespace

SqlTraits sql_merge(SqlTraits a, SqlTraits b) {
  if (a.effect != b.effect) a.effect = Effect::kWrite;
  if (a.tier != b.tier) a.tier = Tier::kCall;
  return a;
}

SqlTraits sql_traits(ByteView sql, SqlDialect dialect) {
  Scanner scan(sql, dialect);
  Statement now;
  SqlTraits all{Effect::kRead, Tier::kHeartbeat};
  bool any = false;
  const auto close = [&] {
    if (now.empty()) return;
    all = any ? sql_merge(all, now.traits()) : now.traits();
    any = true;
    now = {};
  };
  for (;;) {
    const Scanner::Kind kind = scan.next();
    if (kind == Scanner::Kind::kEnd) break;
    if (kind == Scanner::Kind::kPunct && scan.punct() == ';') {
      close();
    } else if (kind == Scanner::Kind::kWord) {
      now.word(scan.word(), dialect);
    } else {
      now.other(kind, scan.word(), kind == Scanner::Kind::kPunct ? scan.punct() : '\0');
    }
  }
  close();
  return all;  // an empty statement is what some pools send to see whether the server lives
}

size_t sql_placeholders(ByteView sql) {
  Scanner scan(sql, SqlDialect::kMysql);
  size_t n = 0;
  for (;;) {
    const Scanner::Kind kind = scan.next();
    if (kind == Scanner::Kind::kEnd) return n;
    if (kind == Scanner::Kind::kPunct && scan.punct() == '?') ++n;
  }
}

std::string sql_one_line(ByteView sql, size_t max) {
  std::string line;
  bool blank = false;
  for (const char c : sql) {
    if (is_space(c)) {
      blank = !line.empty();
      continue;
    }
    if (line.size() + 3 >= max) return line + "...";
    if (blank) line.push_back(' ');
    blank = false;
    line.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '.' : c);
  }
  return line;
}

}  // namespace reprise::wire
