// Sessions of a recording that was cut short, from its journal.
#pragma once

#include <string>

#include "recording/recording.h"
#include "session/assembler.h"

namespace reprise::run {

struct RecoverResult {
  session::AssemblerStats stats;
  recording::Ledger ledger;
  std::vector<recording::Damage> damage;  // of the journal
};

// Assembles the whole journal again and puts the sessions, the manifest and the ledger in the place of
// what is there, each at once. The journal stays. Also with a better rule than the recording was made with.
Result<RecoverResult> recover(const std::string& folder);

}  // namespace reprise::run
