#include "run/ledger.h"

namespace reprise::run {

namespace {

using recording::LedgerStage;

void lose(LedgerStage& stage, const char* cause, uint64_t n) {
  if (n > 0) stage.lost.emplace_back(cause, n);
}

void in_flight(LedgerStage& stage, bool final) {
  uint64_t known = stage.out;
  for (const auto& [cause, n] : stage.lost) known += n;
  if (!final && stage.in > known) stage.lost.emplace_back("in flight", stage.in - known);
}

}  // namespace

recording::Ledger make_ledger(const capture::ArenaStats* arena, const session::AssemblerStats& s,
                              bool final) {
  recording::Ledger ledger;
  if (arena != nullptr) {
    LedgerStage records{"arena", "records", arena->records, arena->records, {}};
    for (uint32_t i = 0; i < hook::kLossCauses; ++i) {
      records.in += arena->lost_records[i];
      lose(records, capture::loss_cause_name(i), arena->lost_records[i]);
    }
    ledger.stages.push_back(std::move(records));
    LedgerStage assembly{"collector", "bytes", arena->bytes, s.bytes_seen, {}};
    in_flight(assembly, final);
    ledger.stages.push_back(std::move(assembly));
  }
  // Bytes that never came are known by the offsets around them.
  LedgerStage streams{"streams", "bytes", s.bytes_seen + s.bytes.missing,
                      s.bytes.delivered - s.unframed_bytes, {}};
  lose(streams, "missing", s.bytes.missing);
  lose(streams, "could not be framed (too long a head, or not the protocol)", s.unframed_bytes);
  lose(streams, "seen twice", s.bytes.repeated);
  lose(streams, "of streams left out", s.bytes_unknown_stream);
  in_flight(streams, final);
  ledger.stages.push_back(std::move(streams));
  LedgerStage calls{"calls", "calls", s.calls,
                    s.calls_in_session + s.calls_ambiguous + s.calls_outside, {}};
  in_flight(calls, final);
  ledger.stages.push_back(std::move(calls));
  LedgerStage sessions{"sessions", "sessions", s.requests, s.sessions, {}};
  in_flight(sessions, final);
  ledger.stages.push_back(std::move(sessions));
  return ledger;
}

}  // namespace reprise::run
