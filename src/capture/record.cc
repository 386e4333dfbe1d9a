#include "capture/record.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/address.h"
#include "hook/abi/arena.h"

namespace reprise::capture {

namespace {

using session::Event;
using session::EventType;

template <class T>
bool take(ByteView& in, T& out) {
  if (in.size() < sizeof(T)) return false;
  memcpy(&out, in.data(), sizeof(T));
  in.remove_prefix(sizeof(T));
  return true;
}

std::string ip_text(uint16_t family, const uint8_t* bytes) {
  Bytes raw(reinterpret_cast<const char*>(bytes), 16);
  sockaddr_storage storage = {};
  storage.ss_family = family;
  memcpy(reinterpret_cast<char*>(&storage) + (family == AF_INET ? 4 : 8), raw.data(),
         family == AF_INET ? 4 : 16);
  auto address = from_sockaddr(reinterpret_cast<sockaddr*>(&storage), sizeof storage);
  return address ? address->ip_or_path : std::string();
}

Address to_address(const hook::AddressBody& a) {
  Address out;
  if (a.family == AF_UNIX) {
    const size_t n = std::min<size_t>(a.length, sizeof a.bytes);
    std::string path(reinterpret_cast<const char*>(a.bytes), n);
    if (!path.empty() && path[0] == 0) path[0] = '@';
    return unix_address(std::move(path));
  }
  if (a.family != AF_INET && a.family != AF_INET6) return unix_address({});
  auto parsed = ip_address(ip_text(a.family, a.bytes), a.port);
  return parsed ? *parsed : out;
}

bool stream_event(ByteView in, EventType type, Event& e) {
  hook::StreamBody b;
  if (!take(in, b)) return false;
  e.type = type;
  e.stream = b.stream;
  e.value = b.value;
  e.offset = b.extra;
  return true;
}

bool resolve_event(ByteView in, Event& e) {
  hook::ResolveBody b;
  if (!take(in, b)) return false;
  const size_t padded = (size_t{b.name_size} + 7) & ~size_t{7};
  if (in.size() < padded || b.name_size > padded) return false;
  e.type = EventType::kResolve;
  e.value = b.result;
  e.data = Bytes(in.substr(0, b.name_size));
  in.remove_prefix(padded);
  for (unsigned i = 0; i < b.addresses; ++i) {
    hook::IpBody ip;
    if (!take(in, ip)) return false;
    if (auto a = ip_address(ip_text(ip.family, ip.bytes), 0)) e.addresses.push_back(std::move(*a));
  }
  return true;
}

// No stream is so long: an offset beyond it is not one that the hook wrote.
constexpr uint64_t kOffsetLimit = uint64_t{1} << 62;

bool body(ByteView in, uint8_t type, Event& e) {
  switch (type) {
    case hook::kRecordProcess: {
      hook::ProcessBody b;
      if (!take(in, b)) return false;
      e.type = EventType::kProcess;
      e.pid = b.pid;
      e.parent = b.parent;
      e.value = b.forked;
      e.offset = b.pid_namespace;
      return true;
    }
    case hook::kRecordOpen: {
      hook::OpenBody b;
      if (!take(in, b) || b.kind > 2 || b.transport > 2) return false;
      e.type = EventType::kOpen;
      e.stream = b.stream;
      e.kind = static_cast<session::OpenKind>(b.kind);
      e.transport = static_cast<session::Transport>(b.transport);
      e.in_progress = b.in_progress != 0;
      e.value = b.error;
      e.local = to_address(b.local);
      e.peer = to_address(b.peer);
      return true;
    }
    case hook::kRecordData: {
      hook::DataBody b;
      if (!take(in, b) || b.offset > kOffsetLimit) return false;
      e.type = EventType::kData;
      e.stream = b.stream;
      e.offset = b.offset;
      e.data = Bytes(in);
      return true;
    }
    case hook::kRecordDatagram: {
      hook::DataBody b;
      hook::AddressBody peer;
      if (!take(in, b) || !take(in, peer)) return false;
      e.type = EventType::kDatagram;
      e.stream = b.stream;
      e.offset = b.offset;
      e.peer = to_address(peer);
      return true;
    }
    case hook::kRecordListen: {
      hook::ListenBody b;
      if (!take(in, b) || b.transport > 2) return false;
      e.type = EventType::kListen;
      e.transport = static_cast<session::Transport>(b.transport);
      e.local = to_address(b.local);
      return true;
    }
    case hook::kRecordGap: {
      hook::GapBody b;
      if (!take(in, b)) return false;
      e.type = EventType::kGap;
      e.offset = b.records;
      e.value = static_cast<int64_t>(b.bytes);
      return true;
    }
    case hook::kRecordEof:
      return stream_event(in, EventType::kEof, e);
    case hook::kRecordShutdown:
      return stream_event(in, EventType::kShutdown, e);
    case hook::kRecordClose:
      return stream_event(in, EventType::kClose, e);
    case hook::kRecordError:
      return stream_event(in, EventType::kError, e);
    case hook::kRecordConnected:
      return stream_event(in, EventType::kConnected, e);
    case hook::kRecordUnseen:
      return stream_event(in, EventType::kUnseen, e);
    case hook::kRecordResolve:
      return resolve_event(in, e);
    default:
      return true;  // newer than we are
  }
}

}  // namespace

size_t parse_record(ByteView bytes, Event& event, uint64_t& time) {
  ByteView in = bytes;
  hook::RecordHeader h;
  if (!take(in, h) || h.size < sizeof h || h.size > bytes.size()) return 0;
  event.out = (h.flags & hook::kFlagOut) != 0;
  event.more = (h.flags & hook::kFlagMore) != 0;
  time = h.time;
  return body(bytes.substr(sizeof h, h.size - sizeof h), h.type, event) ? h.size : 0;
}

}  // namespace reprise::capture
