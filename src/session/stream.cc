#include "session/stream.h"

#include "wire/registry.h"

namespace reprise::session {

using wire::Dir;
using wire::Likelihood;
using wire::Protocol;

namespace {
size_t index(Dir dir) { return static_cast<size_t>(dir); }
constexpr size_t kMostWaiting = 8u << 20;  // bytes behind a hole before it is given up
constexpr size_t kMostWaitingPieces = 16384;
constexpr size_t kMostPieces = 4096;  // remembered of one unfinished message
constexpr size_t kAskAlways = 4096;   // prefix bytes up to which each new byte is looked at
}  // namespace

Stream::Stream(const Event& open, bool is_inbound, size_t message_limit)
    : id(open.stream),
      inbound(is_inbound),
      transport(open.transport),
      local(open.local),
      peer(open.peer),
      opened_ns(open.at_ns),
      message_limit_(message_limit) {
  holders.insert(open.pid);
}

void Stream::data(const Event& e, uint64_t tag, std::vector<FramedMessage>& out) {
  if (ended_) return;
  const Dir dir = dir_of(e.out);
  Half& half = halves_[index(dir)];
  const Piece piece{e.offset, 0, e.thread, e.pid, e.at_ns, tag};
  half.add(
      piece, e.data, [&](ByteView bytes, const Piece& p) { deliver(dir, bytes, p, out); }, stats_);
  if (half.waiting_bytes() > kMostWaiting || half.waiting_pieces() > kMostWaitingPieces)
    give_up_holes(e.at_ns + 1, out);
}

void Stream::give_up_holes(int64_t before_ns, std::vector<FramedMessage>& out) {
  for (Dir dir : {Dir::kRequest, Dir::kResponse}) {
    Half& half = halves_[index(dir)];
    while (half.has_hole() && half.hole_since_ns() < before_ns) {
      half.skip_hole([&](ByteView bytes, const Piece& p) { deliver(dir, bytes, p, out); },
                     [&](uint64_t length) {
                       const int64_t since = half.hole_since_ns();
                       decide(true, out);
                       std::vector<wire::Message> messages;
                       if (codec_ != nullptr) codec_->gap(dir, length, since, messages);
                       after_feed(messages, out);
                     },
                     stats_);
    }
  }
}

void Stream::deliver(Dir dir, ByteView bytes, const Piece& piece, std::vector<FramedMessage>& out) {
  std::deque<Piece>& pieces = pieces_[index(dir)];
  pieces.push_back(piece);
  // Of a message that takes very many, who moved its middle is of no interest.
  if (pieces.size() > kMostPieces)
    pieces.erase(pieces.begin() + 1, pieces.begin() + kMostPieces / 2);
  if (codec_ != nullptr || opaque_) {
    feed(dir, bytes, piece.at_ns, out);
    return;
  }
  if (held_.empty()) server_first_ = dir == Dir::kResponse;
  held_.push_back({dir, Bytes(bytes), piece.at_ns});
  prefix_[index(dir)] += bytes;
  decide(false, out);
}

// Chooses the protocol once the first bytes tell, or now if forced, and feeds what was held back.
void Stream::decide(bool force, std::vector<FramedMessage>& out) {
  if (codec_ != nullptr || opaque_ || held_.empty()) return;
  if (!force && prefix_[0].size() < detect_at_[0] && prefix_[1].size() < detect_at_[1]) return;
  for (size_t i = 0; i < 2; ++i) {
    const size_t known = prefix_[i].size();
    detect_at_[i] = known + (known < kAskAlways ? 1 : known / 8);
  }
  const Address& server = inbound ? local : peer;
  const wire::Prefix prefix{prefix_[0], prefix_[1], server_first_, server.port};
  wire::Detection found = wire::detect(prefix);
  if (found.confidence == Likelihood::kNeedMore) {
    if (!force) return;
    found = {Protocol::kRaw, Likelihood::kMaybe};
  }
  protocol_ = found.protocol;
  confidence_ = found.confidence;
  codec_ = wire::entry(protocol_).make_codec({message_limit_});
  std::vector<Held> held = std::move(held_);
  held_.clear();
  prefix_[0] = {}, prefix_[1] = {};
  for (const Held& h : held) feed(h.dir, h.bytes, h.at_ns, out);
}

void Stream::feed(Dir dir, ByteView bytes, int64_t at_ns, std::vector<FramedMessage>& out) {
  if (opaque_) {
    opaque_bytes_ += bytes.size();
    pieces_[0].clear(), pieces_[1].clear();
    return;
  }
  std::vector<wire::Message> messages;
  codec_->feed(dir, bytes, at_ns, messages);
  after_feed(messages, out);
  if (!codec_->fault() || protocol_ == Protocol::kRaw) return;
  if (codec_->fault()->reason.rfind("TLS", 0) == 0) {
    opaque_ = true;
    protocol_ = Protocol::kTls;
    opaque_bytes_ += bytes.size();
    pieces_[0].clear(), pieces_[1].clear();
    codec_.reset();
    return;
  }
  // Framing was lost: the rest is raw, and says so by its protocol. What was in flight is lost to
  // decoding, and counted.
  for (size_t i = 0; i < 2; ++i) {
    unframed_bytes_ += halves_[i].next() - std::min(framed_[i], halves_[i].next());
    framed_[i] = halves_[i].next();
    pieces_[i].clear();
  }
  codec_ = wire::entry(Protocol::kRaw).make_codec({message_limit_});
  protocol_ = Protocol::kRaw;
  confidence_ = Likelihood::kMaybe;
  codec_base_[0] = halves_[0].next(), codec_base_[1] = halves_[1].next();
  exchange_base_ = last_exchange_;
}

void Stream::after_feed(std::vector<wire::Message>& messages, std::vector<FramedMessage>& out) {
  for (wire::Message& m : messages) {
    const size_t i = index(m.dir);
    m.begin += codec_base_[i], m.end += codec_base_[i];
    m.exchange += exchange_base_;
    last_exchange_ = std::max(last_exchange_, m.exchange);
    FramedMessage framed{std::move(m), {}, {}};
    const wire::Message& message = framed.message;
    framed.first = piece_at(message.dir, message.begin);
    framed.last =
        piece_at(message.dir, message.end > message.begin ? message.end - 1 : message.begin);
    framed_[i] = std::max(framed_[i], message.end);
    std::deque<Piece>& pieces = pieces_[i];
    while (!pieces.empty() && pieces.front().end <= framed_[i]) pieces.pop_front();
    out.push_back(std::move(framed));
  }
}

Piece Stream::piece_at(Dir dir, uint64_t offset) const {
  const std::deque<Piece>& pieces = pieces_[index(dir)];
  for (const Piece& p : pieces) {
    if (offset < p.end) return p;
  }
  return pieces.empty() ? Piece{} : pieces.back();
}

const Piece* Stream::request_begun() const {
  for (const Piece& p : pieces_[0]) {
    if (p.end > framed_[0]) return &p;
  }
  return nullptr;
}

void Stream::end_of(Dir dir, int64_t at_ns, std::vector<FramedMessage>& out) {
  if (half_ended_[index(dir)] || ended_) return;
  half_ended_[index(dir)] = true;
  give_up_holes(at_ns + 1, out);
  decide(true, out);
  if (codec_ == nullptr) return;
  std::vector<wire::Message> messages;
  codec_->finish(dir, at_ns, messages);
  after_feed(messages, out);
}

void Stream::end(int64_t at_ns, std::vector<FramedMessage>& out) {
  if (ended_) return;
  give_up_holes(INT64_MAX, out);  // also of a half that had ended: its bytes came, and are counted
  end_of(Dir::kRequest, at_ns, out);
  end_of(Dir::kResponse, at_ns, out);
  ended_ = true;
}

}  // namespace reprise::session
