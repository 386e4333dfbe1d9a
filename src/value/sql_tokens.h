// A tolerant tokenizer for SQL of an unknown dialect.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::value {

struct SqlToken {
  enum class Kind : uint8_t {
    kWord,         // keyword or plain name
    kName,         // quoted name, with its quotes
    kLiteral,      // number or string, as spelt
    kPlaceholder,  // ? $1 :name %s
    kOther,        // operator or punctuation
  };
  Kind kind = Kind::kOther;
  std::string_view text;  // into the statement
  char quote = 0;         // of a string literal; '$' for a dollar-quoted one
  bool escapes = false;   // backslash escapes apply in it
};

// Views into sql. Linear in its length.
std::vector<SqlToken> sql_tokens(std::string_view sql);

// The value of a literal: quotes and escapes undone.
std::string sql_unquote(const SqlToken& literal);

}  // namespace reprise::value
