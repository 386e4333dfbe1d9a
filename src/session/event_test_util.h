// Events made by hand, for the tests of assembly.
#pragma once

#include <vector>

#include "session/assembler.h"

namespace reprise::session::testing {

inline Bytes request(const Bytes& path, const Bytes& headers = {}) {
  return "GET " + path + " HTTP/1.1\r\nHost: t\r\n" + headers + "\r\n";
}
inline Bytes answer(const Bytes& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// A clock that moves 1 µs an event, streams that count their own bytes.
class World {
 public:
  explicit World(AssemblerOptions options = {})
      : assembler(options, [this](Session&& s) { sessions.push_back(std::move(s)); }) {}

  Event at(EventType type, uint64_t stream = 0) {
    Event e;
    e.type = type;
    e.at_ns = now += 1000;
    e.stream = stream;
    e.thread = thread;
    e.pid = pid;
    e.tid = static_cast<uint32_t>(thread);
    return e;
  }
  World& as(uint32_t process, uint64_t new_thread) {
    pid = process, thread = new_thread;
    return *this;
  }
  Event opened(uint64_t stream, OpenKind kind, const Bytes& local, const Bytes& peer) {
    Event e = at(EventType::kOpen, stream);
    e.kind = kind;
    e.local = *parse_address(local);
    e.peer = *parse_address(peer);
    e.transport = e.local.family == Address::kUnix ? Transport::kUnix : Transport::kTcp;
    return e;
  }
  void accept(uint64_t stream, const Bytes& peer = "10.0.0.9:5000") {
    assembler.add(opened(stream, OpenKind::kAccept, "10.0.0.1:80", peer));
  }
  void connect(uint64_t stream, const Bytes& peer = "10.0.0.2:6379") {
    assembler.add(
        opened(stream, OpenKind::kConnect, "10.0.0.1:" + std::to_string(20000 + stream), peer));
  }
  Event data(uint64_t stream, bool out, const Bytes& bytes) {
    Event e = at(EventType::kData, stream);
    e.out = out;
    e.offset = (out ? sent : got)[stream];
    e.data = bytes;
    (out ? sent : got)[stream] += bytes.size();
    return e;
  }
  void in(uint64_t stream, const Bytes& bytes) { assembler.add(data(stream, false, bytes)); }
  void out(uint64_t stream, const Bytes& bytes) { assembler.add(data(stream, true, bytes)); }
  void add(EventType type, uint64_t stream, int64_t value = 0) {
    Event e = at(type, stream);
    e.value = value;
    assembler.add(e);
  }
  void process(uint32_t child, uint32_t parent, int64_t kind) {
    Event e = at(EventType::kProcess);
    e.pid = child, e.parent = parent, e.value = kind;
    assembler.add(e);
  }
  void wait(int64_t ns) { assembler.tick(now += ns); }
  void finish() { assembler.finish(now += 1000); }
  // Inbound sessions, by the order in which they were handed out.
  std::vector<const Session*> inbound() const {
    std::vector<const Session*> all;
    for (const Session& s : sessions) {
      if (s.kind == SessionKind::kInbound) all.push_back(&s);
    }
    return all;
  }
  std::vector<const Call*> outside() const {
    std::vector<const Call*> all;
    for (const Session& s : sessions) {
      for (const Call& c : s.calls) {
        if (s.kind != SessionKind::kInbound) all.push_back(&c);
      }
    }
    return all;
  }

  std::vector<Session> sessions;
  std::unordered_map<uint64_t, uint64_t> sent, got;
  int64_t now = 1'700'000'000'000'000'000;
  uint32_t pid = 100;
  uint64_t thread = 1;
  Assembler assembler;
};

}  // namespace reprise::session::testing
