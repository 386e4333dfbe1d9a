// SQL statements as matching and comparing see them: a fingerprint that is the same for all
// statements that differ in nothing but values, the values, and whether it only reads. The dialect
// is not known: MySQL, PostgreSQL and standard SQL are told apart by what parses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace reprise::value {

// White space and comments (optimizer hints too) normalised, literals and placeholders "?", a list
// of literals "IN (?+)", equal rows of VALUES one row. Names and keywords keep their spelling.
std::string sql_fingerprint(std::string_view sql);

// The literals in order, unquoted; NULL, TRUE and FALSE as spelt where they stand for a value.
// Placeholders are none.
std::vector<std::string> sql_literals(std::string_view sql);

// All statements of sql only read: SELECT (without FOR UPDATE, INTO and the functions that write),
// SHOW, DESCRIBE, EXPLAIN, SET, USE, BEGIN, ROLLBACK ...
bool sql_reads(std::string_view sql);

}  // namespace reprise::value
