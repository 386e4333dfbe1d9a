// No input may crash the tokenizer; a fingerprint holds no value, so it is its own fingerprint's
// twin.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "value/sql.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view sql(reinterpret_cast<const char*>(data), size);
  const std::string print = reprise::value::sql_fingerprint(sql);
  if (print.size() > 3 * size + 16) std::abort();
  reprise::value::sql_literals(sql);
  reprise::value::sql_reads(sql);
  return 0;
}
