// What the assembler keeps of a call, a session and a connection in flight. Private to its .cc files:
//   assembler.cc          events: streams begin, move and end
//   assembler_calls.cc    messages: calls and sessions, and whom they belong to
//   assembler_deliver.cc  time: what is complete is handed out
#pragma once

#include <algorithm>
#include <deque>

#include "session/assembler.h"

namespace reprise::session {

struct Assembler::Pending {
  Call call;
  Attribution found;
  uint64_t session = 0;  // 0: not decided, or none
  bool done = false;     // answered, or will never be
  bool given = false;    // handed out
};

struct Assembler::Open {
  Session session;
  uint64_t stream = 0;
  bool requested = false;  // the request is complete
  int64_t answered_ns = 0;
  int64_t moved_ns = 0;
  std::vector<PendingPtr> calls;
  PendingPtr cause;  // the call in another recorded process
};

struct Assembler::Connection {
  Connection(const Event& open, bool inbound, size_t limit) : stream(open, inbound, limit) {}
  Stream stream;
  // Inbound: sessions begun whose request is not complete, and those in flight by exchange.
  std::deque<uint64_t> begun;
  uint64_t begun_at = UINT64_MAX;
  std::unordered_map<uint64_t, uint64_t> exchanges;
  std::vector<uint64_t> answered_first;
  // Outbound.
  std::unordered_map<uint64_t, PendingPtr> calls;
  Attribution connect;
  bool first_call = true;
  bool opaque_told = false;
  bool in_progress = false;  // a connect of which nothing was heard yet
  // The other end, if it is recorded too: the n-th call here is the n-th session there. It may be
  // met late, since a client may write before its server accepts. Those that have no partner yet:
  uint64_t linked = 0;
  bool linkable = true;
  std::deque<PendingPtr> calls_to_link;
  std::deque<uint64_t> sessions_to_link;
};

}  // namespace reprise::session
