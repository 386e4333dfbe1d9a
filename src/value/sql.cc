#include "value/sql.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "value/sql_tokens.h"

namespace reprise::value {

namespace {

using Kind = SqlToken::Kind;

template <size_t N>
bool among(std::string_view word, const std::array<const char*, N>& words) {
  return std::any_of(words.begin(), words.end(), [&](const char* w) { return iequals(word, w); });
}

// Words in front of which an opening parenthesis keeps its blank, and behind which a minus is a
// sign.
constexpr std::array kKeywords = {
    "in",      "values",    "value",    "and",     "or",        "not",    "on",     "where",
    "select",  "from",      "as",       "exists",  "using",     "when",   "then",   "else",
    "between", "like",      "ilike",    "set",     "by",        "having", "join",   "union",
    "except",  "intersect", "all",      "with",    "returning", "limit",  "offset", "is",
    "case",    "over",      "distinct", "default", "interval",  "return"};

// A piece of the fingerprint: "?" for values, else the text of the token.
struct Piece {
  std::string_view text;
  bool value = false;
  bool word = false;
};

struct Read {
  std::vector<Piece> pieces;
  std::vector<std::string> literals;
};

bool is_sign_place(const std::vector<Piece>& pieces) {
  if (pieces.empty()) return true;
  const Piece& last = pieces.back();
  if (last.value || last.text == ")" || last.text == "]") return false;
  return !last.word || among(last.text, kKeywords);
}

bool is_constant_place(const std::vector<Piece>& pieces) {
  if (pieces.empty()) return false;
  const std::string_view last = pieces.back().text;
  return last == "(" || last == "," || last == "=";
}

Read read(std::string_view sql) {
  Read out;
  const std::vector<SqlToken> tokens = sql_tokens(sql);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const SqlToken& t = tokens[i];
    const bool sign = t.text == "-" || t.text == "+";
    if (sign && i + 1 < tokens.size() && tokens[i + 1].kind == Kind::kLiteral &&
        tokens[i + 1].quote == 0 && is_sign_place(out.pieces)) {
      out.literals.push_back((t.text == "-" ? "-" : "") + std::string(tokens[++i].text));
      out.pieces.push_back({"?", true, false});
    } else if (t.kind == Kind::kLiteral) {
      out.literals.push_back(sql_unquote(t));
      out.pieces.push_back({"?", true, false});
    } else if (t.kind == Kind::kPlaceholder) {
      out.pieces.push_back({"?", true, false});
    } else if (t.kind == Kind::kWord &&
               (iequals(t.text, "null") || iequals(t.text, "true") || iequals(t.text, "false")) &&
               is_constant_place(out.pieces)) {
      out.literals.emplace_back(t.text);
      out.pieces.push_back({"?", true, false});
    } else {
      out.pieces.push_back({t.text, false, t.kind == Kind::kWord || t.kind == Kind::kName});
    }
  }
  while (!out.pieces.empty() && out.pieces.back().text == ";") out.pieces.pop_back();
  return out;
}

// Index behind the list that opens at begin, if it holds nothing but values and commas; else 0.
size_t end_of_values(const std::vector<Piece>& p, size_t begin, std::string_view close) {
  for (size_t i = begin + 1; i < p.size(); ++i) {
    const bool expect_value = (i - begin) % 2 == 1;
    if (!expect_value && p[i].text == close) return i + 1;
    if (expect_value ? !p[i].value : p[i].text != ",") return 0;
  }
  return 0;
}

// For each opening parenthesis the index behind the one that closes it, 0 if none does.
std::vector<size_t> match_groups(const std::vector<Piece>& p) {
  std::vector<size_t> ends(p.size(), 0);
  std::vector<size_t> open;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i].text == "(") {
      open.push_back(i);
    } else if (p[i].text == ")" && !open.empty()) {
      ends[open.back()] = i + 1;
      open.pop_back();
    }
  }
  return ends;
}

bool equal_range(const std::vector<Piece>& p, size_t a, size_t b, size_t n) {
  if (b + n > p.size()) return false;
  for (size_t i = 0; i < n; ++i) {
    if (p[a + i].value != p[b + i].value || p[a + i].text != p[b + i].text) return false;
  }
  return true;
}

std::vector<Piece> collapse(const std::vector<Piece>& in) {
  const std::vector<size_t> ends = match_groups(in);
  std::vector<Piece> out;
  for (size_t i = 0; i < in.size();) {
    out.push_back(in[i]);
    const bool values =
        in[i].word && (iequals(in[i].text, "values") || iequals(in[i].text, "value"));
    const bool list = in[i].word && iequals(in[i].text, "in");
    const bool array = in[i].word && iequals(in[i].text, "array");
    ++i;
    if (i >= in.size()) break;
    if ((list && in[i].text == "(") || (array && in[i].text == "[")) {
      const size_t end = end_of_values(in, i, list ? ")" : "]");
      if (end == 0) continue;
      out.push_back(in[i]);
      out.push_back({"?+", true, false});
      out.push_back(in[end - 1]);
      i = end;
    } else if (values && in[i].text == "(") {
      const size_t begin = i;
      const size_t end = ends[begin];
      if (end == 0) continue;
      const size_t n = end - begin;
      out.insert(out.end(), in.begin() + static_cast<long>(begin),
                 in.begin() + static_cast<long>(end));
      i = end;
      while (i < in.size() && in[i].text == "," && equal_range(in, begin, i + 1, n)) i += 1 + n;
    }
  }
  return out;
}

bool blank_between(const Piece& a, const Piece& b) {
  if (a.value && b.value) return true;
  const std::string_view x = a.value ? "?" : a.text;
  const std::string_view y = b.value ? "?" : b.text;
  if (y == "," || y == ")" || y == ";" || y == "]" || y == "." || y == "::") return false;
  if (x == "(" || x == "." || x == "[" || x == "::" || x == "@") return false;
  if (y == "(") return !a.word || among(x, kKeywords);
  if (y == "[") return false;
  return true;
}

constexpr std::array kReads = {
    "select",    "with",       "show",   "describe", "desc",    "explain",  "values",
    "table",     "set",        "use",    "begin",    "start",   "rollback", "abort",
    "savepoint", "release",    "fetch",  "move",     "declare", "close",    "reset",
    "discard",   "deallocate", "listen", "unlisten", "help",    "checksum", "prepare"};
constexpr std::array kWriting = {"insert", "update",   "delete",       "merge", "into",   "nextval",
                                 "setval", "get_lock", "release_lock", "share", "replace"};

bool statement_reads(const std::vector<SqlToken>& tokens, size_t begin, size_t end) {
  while (begin < end && tokens[begin].text == "(") ++begin;
  if (begin == end) return true;
  const std::string_view first = tokens[begin].text;
  const auto second = begin + 1 < end ? tokens[begin + 1].text : std::string_view();
  if (iequals(first, "set") &&
      (iequals(second, "global") || iequals(second, "persist") || iequals(second, "password")))
    return false;
  if (iequals(first, "copy")) {
    for (size_t i = begin, depth = 0; i < end; ++i) {
      if (tokens[i].text == "(") ++depth;
      if (tokens[i].text == ")" && depth > 0) --depth;
      if (depth == 0 && iequals(tokens[i].text, "to")) return true;
    }
    return false;
  }
  if (!among(first, kReads)) return false;
  if (!iequals(first, "select") && !iequals(first, "with")) return true;
  for (size_t i = begin; i < end; ++i) {
    if (tokens[i].kind != Kind::kWord) continue;
    const std::string_view w = tokens[i].text;
    const bool call = i + 1 < end && tokens[i + 1].text == "(";
    if (iequals(w, "replace") && call) continue;  // the string function
    if (among(w, kWriting) || (call && w.size() > 11 && iequals(w.substr(0, 11), "pg_advisory")))
      return false;
  }
  return true;
}

}  // namespace

std::string sql_fingerprint(std::string_view sql) {
  const Read r = read(sql);
  const std::vector<Piece> pieces = collapse(r.pieces);
  std::string out;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0 && blank_between(pieces[i - 1], pieces[i])) out.push_back(' ');
    out.append(pieces[i].text);
  }
  return out;
}

std::vector<std::string> sql_literals(std::string_view sql) { return read(sql).literals; }

bool sql_reads(std::string_view sql) {
  const std::vector<SqlToken> tokens = sql_tokens(sql);
  size_t begin = 0;
  for (size_t i = 0; i <= tokens.size(); ++i) {
    if (i < tokens.size() && tokens[i].text != ";") continue;
    if (!statement_reads(tokens, begin, i)) return false;
    begin = i + 1;
  }
  return true;
}

}  // namespace reprise::value
