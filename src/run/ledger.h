// The account of a recording: each stage counts what came in by itself, so that the sums can disagree.
#pragma once

#include "capture/arena.h"
#include "recording/recording.h"
#include "session/assembler.h"

namespace reprise::run {

// arena: null where the events came from a journal. final: nothing is in flight any more, so whatever is
// unaccounted for shows as an imbalance; before, it is counted as in flight.
recording::Ledger make_ledger(const capture::ArenaStats* arena, const session::AssemblerStats& assembly,
                              bool final);

}  // namespace reprise::run
