#include "session/half.h"

namespace reprise::session {

void Half::add(Piece piece, ByteView bytes, const Deliver& deliver, HalfStats& stats) {
  stats.bytes_in += bytes.size();
  piece.end = piece.begin + bytes.size();
  if (piece.begin < next_) {
    const uint64_t old = std::min<uint64_t>(next_ - piece.begin, bytes.size());
    stats.repeated += old;
    bytes.remove_prefix(old);
    piece.begin += old;
    if (bytes.empty()) return;
  }
  if (bytes.empty()) return;
  if (piece.begin == next_) {
    next_ = piece.end;
    stats.delivered += bytes.size();
    deliver(bytes, piece);
    drain(deliver, stats);
    return;
  }
  if (waiting_.empty()) hole_since_ns_ = piece.at_ns;
  const auto [it, fresh] = waiting_.try_emplace(piece.begin, Waiting{piece, Bytes(bytes)});
  if (!fresh && it->second.bytes.size() < bytes.size()) {  // the same place, told at greater length
    stats.repeated += it->second.bytes.size();
    waiting_bytes_ += bytes.size() - it->second.bytes.size();
    it->second = {piece, Bytes(bytes)};
    return;
  }
  if (fresh) {
    waiting_bytes_ += bytes.size();
  } else {
    stats.repeated += bytes.size();
  }
}

void Half::drain(const Deliver& deliver, HalfStats& stats) {
  while (!waiting_.empty() && waiting_.begin()->first <= next_) {
    Waiting w = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    waiting_bytes_ -= w.bytes.size();
    ByteView bytes = w.bytes;
    const uint64_t old = std::min<uint64_t>(next_ - w.piece.begin, bytes.size());
    stats.repeated += old;
    bytes.remove_prefix(old);
    w.piece.begin += old;
    if (bytes.empty()) continue;
    next_ = w.piece.end;
    stats.delivered += bytes.size();
    deliver(bytes, w.piece);
  }
  if (!waiting_.empty()) hole_since_ns_ = waiting_.begin()->second.piece.at_ns;
}

void Half::skip_hole(const Deliver& deliver, const Missing& missing, HalfStats& stats) {
  if (waiting_.empty()) return;
  const uint64_t length = waiting_.begin()->first - next_;
  stats.missing += length;
  next_ = waiting_.begin()->first;
  missing(length);
  drain(deliver, stats);
}

}  // namespace reprise::session
