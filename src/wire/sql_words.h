// The little that the database codecs must know of SQL to set effect and tier: which statement it
// is, where it ends and how many placeholders it holds. Fingerprints and literals are value/'s
// business.
#pragma once

#include <cstddef>
#include <string>

#include "wire/message.h"

namespace reprise::wire {

enum class SqlDialect : uint8_t {
  kMysql,     // backslash escapes in strings, # comments, /*! executable comments
  kPostgres,  // $tag$ strings, nested comments; SHOW asks for a session parameter
};

struct SqlTraits {
  Effect effect = Effect::kUnknown;
  Tier tier = Tier::kCall;
};

// Of a text that may hold several statements: a write if any is, a template if all are. Opening a
// transaction, a savepoint or rolling back counts as a read (nothing lasting), COMMIT as a write.
SqlTraits sql_traits(ByteView sql, SqlDialect dialect);

// Merges the traits of statements that travel together.
SqlTraits sql_merge(SqlTraits a, SqlTraits b);

// Number of ? placeholders outside strings, names and comments.
size_t sql_placeholders(ByteView sql);

// White space collapsed, control characters dropped, cut to max bytes with "...".
std::string sql_one_line(ByteView sql, size_t max = 200);

}  // namespace reprise::wire
