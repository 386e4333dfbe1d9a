// One stream: puts its halves in order, finds its protocol, frames it into messages, and says of
// each message who moved its first and last byte. It knows nothing of calls and sessions.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "session/event.h"
#include "session/half.h"
#include "wire/codec.h"

namespace reprise::session {

struct FramedMessage {
  wire::Message message;
  Piece first;  // holds the message's first byte
  Piece last;   // holds its last byte
};

class Stream {
 public:
  Stream(const Event& open, bool inbound, size_t message_limit);

  const uint64_t id;
  const bool inbound;  // accepted by the subject
  const Transport transport;
  Address local;
  Address peer;
  const int64_t opened_ns;

  wire::Protocol protocol() const { return protocol_; }
  wire::Likelihood confidence() const { return confidence_; }
  bool opaque() const { return opaque_; }
  uint64_t opaque_bytes() const { return opaque_bytes_; }
  // Bytes of messages that their protocol could not frame: they are in no message.
  uint64_t unframed_bytes() const { return unframed_bytes_; }
  bool ended() const { return ended_; }

  wire::Dir dir_of(bool out) const {
    return out == inbound ? wire::Dir::kResponse : wire::Dir::kRequest;
  }

  // tag: carried by the piece into FramedMessage::first.
  void data(const Event& event, uint64_t tag, std::vector<FramedMessage>& out);
  void end_of(wire::Dir dir, int64_t at_ns, std::vector<FramedMessage>& out);
  void end(int64_t at_ns, std::vector<FramedMessage>& out);  // both directions, once
  // Holes older than patience are given up.
  void give_up_holes(int64_t before_ns, std::vector<FramedMessage>& out);
  bool has_hole() const { return halves_[0].has_hole() || halves_[1].has_hole(); }

  // Bytes of a request that is not complete yet: its first piece, else null.
  const Piece* request_begun() const;
  // Where that request starts in its direction.
  uint64_t request_start() const { return framed_[0]; }

  uint64_t next_offset(wire::Dir dir) const { return halves_[static_cast<size_t>(dir)].next(); }
  const HalfStats& stats() const { return stats_; }

  std::set<uint32_t> holders;  // processes with a descriptor of it

 private:
  struct Held {  // before the protocol is known
    wire::Dir dir;
    Bytes bytes;
    int64_t at_ns;
  };
  void deliver(wire::Dir dir, ByteView bytes, const Piece& piece, std::vector<FramedMessage>& out);
  void feed(wire::Dir dir, ByteView bytes, int64_t at_ns, std::vector<FramedMessage>& out);
  void decide(bool force, std::vector<FramedMessage>& out);
  void after_feed(std::vector<wire::Message>& messages, std::vector<FramedMessage>& out);
  Piece piece_at(wire::Dir dir, uint64_t offset) const;

  const size_t message_limit_;
  Half halves_[2];
  std::deque<Piece> pieces_[2];
  uint64_t framed_[2] = {0, 0};  // end of the last message
  HalfStats stats_;
  wire::Protocol protocol_ = wire::Protocol::kUnknown;
  wire::Likelihood confidence_ = wire::Likelihood::kNeedMore;
  std::unique_ptr<wire::Codec> codec_;
  uint64_t codec_base_[2] = {0, 0};  // stream offset of the codec's offset 0
  uint64_t exchange_base_ = 0;
  uint64_t last_exchange_ = 0;
  std::vector<Held> held_;
  Bytes prefix_[2];               // the bytes of held_, by direction
  size_t detect_at_[2] = {1, 1};  // asked again once a prefix is so long
  bool server_first_ = false;
  bool opaque_ = false;
  uint64_t opaque_bytes_ = 0;
  uint64_t unframed_bytes_ = 0;
  bool half_ended_[2] = {false, false};
  bool ended_ = false;
};

}  // namespace reprise::session
