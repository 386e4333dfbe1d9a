// An index of a recording in SQLite: one row a session, full text over labels, requests and calls. It can
// be deleted at any time; opening it builds it anew if it is missing or older than the sessions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "session/model.h"

namespace reprise::recording {

struct CatalogueRow {
  uint64_t id = 0;
  int64_t at_ns = 0;
  int64_t duration_ns = 0;
  std::string protocol;
  std::string label;
  std::string answer;
  uint64_t calls = 0;
  bool incomplete = false;
};

class Catalogue {
 public:
  // folder: of the recording. Where it cannot be written (a read-only disk), the index lives in memory.
  static Result<Catalogue> open(const std::string& folder);
  Catalogue(Catalogue&&) noexcept;
  ~Catalogue();

  uint64_t sessions() const;
  // words: all must occur, as beginnings of words ("ord 201"); in quotes: as they stand. Ascending ids.
  // Empty: all. At most `most` rows.
  Result<std::vector<CatalogueRow>> find(const std::string& words, size_t most) const;

 private:
  struct State;
  explicit Catalogue(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace reprise::recording
