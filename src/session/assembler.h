// Events in, sessions out: streams, messages, calls, attribution, pairing. Runs outside the
// subject, from live events or from a journal, with the same result.
//
// A session is handed out once its answer is complete and a grace has passed in which late calls
// (work after the answer) still find it, or at finish(). Nothing is cut by idleness: an open call
// whose stream neither ends nor moves for idle_ns is handed out as incomplete, and its stream goes
// on.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "session/attribution.h"
#include "session/model.h"
#include "session/stream.h"

namespace reprise::session {

struct AssemblerOptions {
  int64_t answer_grace_ns = 500'000'000;
  int64_t late_call_ns =
      1'000'000'000;  // a call still unanswered this long after its session's answer
  int64_t late_record_ns = 200'000'000;  // a close waits so long for an answer still to be told
  int64_t hole_ns = 200'000'000;
  int64_t idle_ns = 600'000'000'000;
  size_t message_limit = 16u << 20;
  // Streams that are none of our business, by dependency or client address and listener.
  std::function<bool(const Event& open)> ignore;
};

struct AssemblerStats {
  uint64_t events = 0;
  uint64_t bytes_seen = 0;  // payload of all events
  HalfStats bytes;          // what became of them
  uint64_t bytes_unknown_stream = 0;
  uint64_t bytes_ignored = 0;
  uint64_t streams_in = 0, streams_out = 0, streams_opaque = 0, streams_raw = 0,
           streams_ignored = 0;
  uint64_t opaque_bytes = 0;
  uint64_t unframed_bytes = 0;  // delivered, but of messages that could not be framed
  uint64_t calls = 0;  // outbound, found
  uint64_t calls_in_session = 0, calls_ambiguous = 0, calls_outside = 0;
  uint64_t requests = 0;  // inbound, begun
  uint64_t sessions = 0, sessions_incomplete = 0;
  uint64_t late_answers = 0;  // after their session was handed out
  uint64_t unasked = 0;       // answers and pushes on inbound streams that pair with nothing
  uint64_t gap_records = 0, gap_bytes = 0;
};

class Assembler {
 public:
  Assembler(AssemblerOptions options, std::function<void(Session&&)> on_session);
  ~Assembler();

  std::function<void(const Listener&)> on_listener;
  std::function<void(const Resolution&)> on_name;

  void add(const Event& event);  // in order of time
  void tick(int64_t now_ns);     // hands out what is due
  void finish(int64_t now_ns);   // hands out everything

  AssemblerStats stats() const;
  size_t open_sessions() const { return sessions_.size(); }
  size_t open_streams() const { return streams_.size(); }

 private:
  struct Pending;     // an outbound call
  struct Open;        // a session
  struct Connection;  // a stream and what pairs on it
  using PendingPtr = std::shared_ptr<Pending>;

  void open_stream(const Event& e);
  Connection& start_stream(const Event& open, bool inbound);
  bool is_inbound(const Event& open) const;
  Connection* find_stream(const Event& data);
  uint64_t tag_write(const Event& e);
  void data(const Event& e);
  void datagram_data(const Event& e, const Address& peer);
  void process(const Event& e);
  void end_stream(Connection& c, const Event& e);
  void end_datagrams(uint64_t socket, const Event& e);
  void failed_connect(const Event& e);
  void handle(Connection& c, std::vector<FramedMessage>& messages, int64_t at_ns);
  void inbound_message(Connection& c, FramedMessage& m);
  void outbound_message(Connection& c, FramedMessage& m);
  void begin_if_begun(Connection& c);
  void opaque_call(Connection& c, int64_t at_ns);
  Open& begin_session(Connection& c, const Piece& first);
  Open* session_of_exchange(Connection& c, uint64_t exchange);
  void attach(const PendingPtr& call, const Attribution& found);
  void hand_off(uint64_t thread, uint32_t pid, uint64_t session);
  void link(Connection& c);
  void match_ends(Connection& c);
  void hand_out(uint64_t id, bool incomplete);
  void give_outside(const PendingPtr& call);
  void flush_outside(bool all);
  void close_later(Connection& c, int64_t at_ns);
  void close_due(int64_t now_ns);
  void remove_ended();

  const AssemblerOptions options_;
  const std::function<void(Session&&)> on_session_;
  Attributor attributor_;
  AssemblerStats stats_;
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> streams_;
  std::vector<uint64_t> ended_;
  std::vector<std::pair<int64_t, uint64_t>> closing_;  // when, stream; in order
  std::unordered_map<uint64_t, std::unique_ptr<Open>> sessions_;
  int64_t idle_looked_ns_ = 0;
  std::vector<uint64_t> due_;  // answered sessions, in the order of their answers
  std::unordered_map<uint64_t, std::vector<PendingPtr>> unresolved_;  // by thread
  std::vector<PendingPtr> outside_;
  std::unordered_map<std::string, uint64_t> half_links_;  // "local>peer" of one end
  std::unordered_map<std::string, std::vector<uint64_t>>
      unix_connects_;  // path -> streams, in order
  struct DatagramPeer {
    uint64_t stream = 0;
    Address peer;
  };
  std::unordered_map<uint64_t, DatagramPeer> datagram_peer_;  // by thread, until its data follows
  // Of each unconnected datagram socket: a stream for each peer.
  std::unordered_map<uint64_t, std::map<Address, uint64_t>> datagram_streams_;
  std::unordered_map<uint64_t, Event> adopted_;  // opens that do not say which side we are
  std::set<Address> listeners_;
  std::set<uint32_t> alive_;  // processes whose fork or start was told
  uint64_t next_datagram_stream_ = uint64_t{1} << 63;
  std::map<uint64_t, Attribution> tags_;  // attribution of writes not framed yet, newest last
  size_t tags_weight_ = 0;                // candidates in tags_, and one for each
  uint64_t next_tag_ = 0;
  uint64_t next_session_ = 0;
  bool had_inbound_ = false;
  int64_t last_ns_ = 0;
};

}  // namespace reprise::session
