#include "session/encode.h"

#include "base/proto.h"

namespace reprise::session {

namespace {

template <class T>
T limited(uint64_t v, T last) {
  return v <= static_cast<uint64_t>(last) ? static_cast<T>(v) : T{};
}

template <class T>
void nested(ProtoWriter& w, uint32_t field, const T& value) {
  Bytes inner;
  encode(value, inner);
  w.message(field, inner);
}

void encode_leaf(const Leaf& leaf, Bytes& out) {
  ProtoWriter w(out);
  w.bytes(1, leaf.path), w.bytes(2, leaf.text);
  w.number(3, static_cast<uint64_t>(leaf.form)), w.number(4, static_cast<uint64_t>(leaf.cls));
}

Leaf decode_leaf(ByteView bytes) {
  Leaf leaf;
  for (ProtoReader r(bytes); r.next();) {
    switch (r.field()) {
      case 1: leaf.path = Bytes(r.bytes()); break;
      case 2: leaf.text = Bytes(r.bytes()); break;
      case 3: leaf.form = limited(r.number(), LeafForm::kBody); break;
      case 4: leaf.cls = limited(r.number(), LeafClass::kContext); break;
    }
  }
  return leaf;
}

void encode_operation(const wire::Operation& op, Bytes& out) {
  ProtoWriter w(out);
  w.bytes(1, op.verb), w.bytes(2, op.label);
  w.number(3, static_cast<uint64_t>(op.effect)), w.number(4, static_cast<uint64_t>(op.tier));
  for (const Leaf& leaf : op.leaves) {
    Bytes inner;
    encode_leaf(leaf, inner);
    w.message(5, inner);
  }
}

wire::Operation decode_operation(ByteView bytes) {
  wire::Operation op;
  for (ProtoReader r(bytes); r.next();) {
    switch (r.field()) {
      case 1: op.verb = Bytes(r.bytes()); break;
      case 2: op.label = Bytes(r.bytes()); break;
      case 3: op.effect = limited(r.number(), wire::Effect::kWrite); break;
      case 4: op.tier = limited(r.number(), wire::Tier::kSetup); break;
      case 5: op.leaves.push_back(decode_leaf(r.bytes())); break;
    }
  }
  return op;
}

void encode_call(const Call& c, Bytes& out) {
  ProtoWriter w(out);
  w.number(1, static_cast<uint64_t>(c.kind)), w.number(2, static_cast<uint64_t>(c.protocol));
  w.number(3, static_cast<uint64_t>(c.transport)), w.number(4, c.stream), w.number(5, c.exchange);
  nested(w, 6, c.peer), nested(w, 7, c.local);
  w.number(8, c.pid), w.number(9, c.thread);
  w.signed_number(10, c.request_ns), w.signed_number(11, c.request_end_ns);
  w.signed_number(12, c.answer_ns), w.signed_number(13, c.answer_end_ns);
  w.bytes(14, c.request), w.bytes(15, c.interim), w.bytes(16, c.answer);
  w.number(17, c.request_size), w.number(18, c.answer_size);
  w.bytes(19, c.request_digest), w.bytes(20, c.answer_digest);
  w.number(21, c.answered), w.number(22, c.incomplete);
  w.signed_number(23, c.error);
  Bytes op;
  encode_operation(c.operation, op);
  w.bytes(24, op);
  w.number(25, static_cast<uint64_t>(c.confidence)), w.number(26, static_cast<uint64_t>(c.evidence));
  for (uint64_t id : c.candidates) w.number(27, id);
  w.number(28, c.linked_session);
}

Result<Call> decode_call(ByteView bytes) {
  Call c;
  ProtoReader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1: c.kind = limited(r.number(), CallKind::kOpaque); break;
      case 2: c.protocol = limited(r.number(), wire::Protocol::kTls); break;
      case 3: c.transport = limited(r.number(), Transport::kUnix); break;
      case 4: c.stream = r.number(); break;
      case 5: c.exchange = r.number(); break;
      case 6: {
        REPRISE_ASSIGN(c.peer, decode_address(r.bytes()));
        break;
      }
      case 7: {
        REPRISE_ASSIGN(c.local, decode_address(r.bytes()));
        break;
      }
      case 8: c.pid = static_cast<uint32_t>(r.number()); break;
      case 9: c.thread = r.number(); break;
      case 10: c.request_ns = r.signed_number(); break;
      case 11: c.request_end_ns = r.signed_number(); break;
      case 12: c.answer_ns = r.signed_number(); break;
      case 13: c.answer_end_ns = r.signed_number(); break;
      case 14: c.request = Bytes(r.bytes()); break;
      case 15: c.interim = Bytes(r.bytes()); break;
      case 16: c.answer = Bytes(r.bytes()); break;
      case 17: c.request_size = r.number(); break;
      case 18: c.answer_size = r.number(); break;
      case 19: c.request_digest = Bytes(r.bytes()); break;
      case 20: c.answer_digest = Bytes(r.bytes()); break;
      case 21: c.answered = r.number() != 0; break;
      case 22: c.incomplete = r.number() != 0; break;
      case 23: c.error = static_cast<int32_t>(r.signed_number()); break;
      case 24: c.operation = decode_operation(r.bytes()); break;
      case 25: c.confidence = limited(r.number(), Confidence::kCertain); break;
      case 26: c.evidence = limited(r.number(), Evidence::kLink); break;
      case 27: c.candidates.push_back(r.number()); break;
      case 28: c.linked_session = r.number(); break;
    }
  }
  if (r.bad()) return fail("damaged call record");
  return c;
}

}  // namespace

void encode(const Address& a, Bytes& out) {
  ProtoWriter w(out);
  w.number(1, a.family), w.bytes(2, a.ip_or_path), w.number(3, a.port);
}

Result<Address> decode_address(ByteView bytes) {
  Address a;
  ProtoReader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1: a.family = limited(r.number(), Address::kUnix); break;
      case 2: a.ip_or_path = Bytes(r.bytes()); break;
      case 3: a.port = static_cast<uint16_t>(r.number()); break;
    }
  }
  if (r.bad()) return fail("damaged address record");
  return a;
}

void encode(const Session& s, Bytes& out) {
  ProtoWriter w(out);
  w.number(1, s.id), w.number(2, static_cast<uint64_t>(s.kind)), w.number(3, s.parent);
  w.number(4, s.incomplete);
  Bytes inner;
  if (s.kind == SessionKind::kInbound) {
    encode_call(s.inbound, inner);
    w.message(5, inner);
  }
  for (const Call& c : s.calls) {
    inner.clear();
    encode_call(c, inner);
    w.message(6, inner);
  }
}

Result<Session> decode_session(ByteView bytes) {
  Session s;
  ProtoReader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1: s.id = r.number(); break;
      case 2: s.kind = limited(r.number(), SessionKind::kBackground); break;
      case 3: s.parent = r.number(); break;
      case 4: s.incomplete = r.number() != 0; break;
      case 5: {
        REPRISE_ASSIGN(s.inbound, decode_call(r.bytes()));
        break;
      }
      case 6: {
        REPRISE_ASSIGN(Call c, decode_call(r.bytes()));
        s.calls.push_back(std::move(c));
        break;
      }
    }
  }
  if (r.bad()) return fail("damaged session record");
  return s;
}

void encode(const Event& e, Bytes& out) {
  ProtoWriter w(out);
  w.number(1, static_cast<uint64_t>(e.type)), w.signed_number(2, e.at_ns), w.number(3, e.thread);
  w.number(4, e.pid), w.number(5, e.tid), w.number(6, e.parent), w.number(7, e.stream);
  w.number(8, e.offset);
  w.number(9, (e.out ? 1u : 0u) | (e.more ? 2u : 0u) | (e.in_progress ? 4u : 0u));
  w.number(10, static_cast<uint64_t>(e.kind)), w.number(11, static_cast<uint64_t>(e.transport));
  w.signed_number(12, e.value);
  if (e.type == EventType::kOpen || e.type == EventType::kListen) nested(w, 13, e.local);
  if (e.type == EventType::kOpen || e.type == EventType::kDatagram) nested(w, 14, e.peer);
  for (const Address& a : e.addresses) nested(w, 15, a);
  w.bytes(16, e.data);
}

Result<Event> decode_event(ByteView bytes) {
  Event e;
  ProtoReader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1: e.type = limited(r.number(), EventType::kUnseen); break;
      case 2: e.at_ns = r.signed_number(); break;
      case 3: e.thread = r.number(); break;
      case 4: e.pid = static_cast<uint32_t>(r.number()); break;
      case 5: e.tid = static_cast<uint32_t>(r.number()); break;
      case 6: e.parent = static_cast<uint32_t>(r.number()); break;
      case 7: e.stream = r.number(); break;
      case 8: e.offset = r.number(); break;
      case 9:
        e.out = r.number() & 1, e.more = r.number() & 2, e.in_progress = r.number() & 4;
        break;
      case 10: e.kind = limited(r.number(), OpenKind::kAdopted); break;
      case 11: e.transport = limited(r.number(), Transport::kUnix); break;
      case 12: e.value = r.signed_number(); break;
      case 13: {
        REPRISE_ASSIGN(e.local, decode_address(r.bytes()));
        break;
      }
      case 14: {
        REPRISE_ASSIGN(e.peer, decode_address(r.bytes()));
        break;
      }
      case 15: {
        REPRISE_ASSIGN(Address a, decode_address(r.bytes()));
        e.addresses.push_back(std::move(a));
        break;
      }
      case 16: e.data = Bytes(r.bytes()); break;
    }
  }
  if (r.bad()) return fail("damaged event record");
  return e;
}

void encode(const Resolution& n, Bytes& out) {
  ProtoWriter w(out);
  w.bytes(1, n.name), w.signed_number(2, n.result);
  for (const Address& a : n.addresses) nested(w, 3, a);
}

Result<Resolution> decode_resolution(ByteView bytes) {
  Resolution n;
  ProtoReader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1: n.name = Bytes(r.bytes()); break;
      case 2: n.result = static_cast<int32_t>(r.signed_number()); break;
      case 3: {
        REPRISE_ASSIGN(Address a, decode_address(r.bytes()));
        n.addresses.push_back(std::move(a));
        break;
      }
    }
  }
  if (r.bad()) return fail("damaged name record");
  return n;
}

}  // namespace reprise::session
