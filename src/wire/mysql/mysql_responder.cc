// Logins: MySQL lets the server decide. After the client's proof an OK is right whatever the
// plugin, for caching_sha2_password preceded by "fast authentication succeeded" (01 03). Only
// plugins by which the server proves itself too cannot be played; they are refused by name.
#include "wire/mysql/mysql_responder.h"

#include <array>
#include <vector>

#include "wire/mysql/describe.h"

namespace reprise::wire::mysql {

namespace {

constexpr std::array<std::string_view, 4> kMutual = {
    "auth_gssapi_client", "authentication_kerberos_client", "authentication_ldap_sasl_client",
    "authentication_windows_client"};
constexpr unsigned kAutocommit = 2;

uint8_t seq_after(ByteView request) {
  uint8_t seq = 0xff;
  while (request.size() >= 4) {
    seq = u8(request, 3);
    const size_t n = le24(request, 0);
    if (request.size() - 4 <= n) break;
    request.remove_prefix(4 + n);
  }
  return static_cast<uint8_t>(seq + 1);
}

// MariaDB without TLS, with CLIENT_DEPRECATE_EOF off, so that every client falls back to the old
// form.
Bytes default_greeting() {
  Bytes p;
  put_u8(p, 10);
  p += "5.5.5-10.11.0-MariaDB";
  put_u8(p, 0);
  put_le32(p, 1);
  p += "reprise!";
  put_u8(p, 0);
  put_le16(p, 0xf7de);  // as MariaDB 10.11, without COMPRESS
  put_u8(p, 45);        // utf8mb4_general_ci
  put_le16(p, kAutocommit);
  put_le16(p, 0x80ff);
  put_u8(p, 21);
  p.append(10, '\0');
  p += "replays only";
  put_u8(p, 0);
  p += "mysql_native_password";
  put_u8(p, 0);
  Bytes out;
  put_packet(out, 0, p);
  return out;
}

Bytes classic_eof(unsigned status, unsigned warnings) {
  Bytes p;
  put_u8(p, 0xfe), put_le16(p, warnings), put_le16(p, status);
  return p;
}

Bytes ok_as_eof(unsigned status, unsigned warnings) {
  Bytes p;
  put_u8(p, 0xfe), put_le16(p, 0), put_le16(p, status), put_le16(p, warnings);
  return p;
}

// Writes a recorded answer again: sequence numbers from seq on, the statement id of a PREPARE, and
// the form of EOF that the live client agreed to (none: as recorded).
class Rewriter {
 public:
  Rewriter(Shape shape, uint8_t seq, std::optional<bool> deprecate_eof)
      : shape_(shape), seq_(seq), wanted_(deprecate_eof) {}

  Result<Bytes> run(ByteView recorded, uint32_t statement_id) {
    // Which form was recorded is known only at the end of it.
    AnswerShape probe(shape_, std::nullopt);
    for (Walk w(recorded); !probe.done() && !probe.broken() && w.next();) {
      probe.packet(w.payload(), w.payload().size());
    }
    if (probe.broken()) return fail("the recorded answer is no MySQL answer to such a request");
    if (!probe.done() && !probe.maybe_done()) return fail("the recorded answer is incomplete");
    std::optional<bool> from = probe.deprecate_eof();
    if (!from && probe.maybe_done()) from = true;
    const bool convert = wanted_ && from && *from != *wanted_;
    AnswerShape shape(shape_, from);
    Part last = Part::kOther;
    for (Walk w(recorded); !shape.done() && w.next();) {
      const Part part = shape.packet(w.payload(), w.payload().size());
      // A cursor's answer ends behind the definitions: one EOF, not two.
      const bool cursor =
          part == Part::kRowsEnd && (parse_ok(w.payload()).status & kCursorExists) != 0;
      if (convert && !*wanted_ && ended_defs(last, part) && !cursor)
        put(classic_eof(kAutocommit, 0));
      last = part;
      if (part == Part::kPrepareOk) {
        Bytes p(w.payload());
        for (int i = 0; i < 4; ++i) p[1 + i] = static_cast<char>(statement_id >> (8 * i));
        put(p);
      } else if (convert && part == Part::kDefsEnd && shape_ != Shape::kFieldList) {
        if ((le16(w.payload(), 3) & kCursorExists) != 0) put(converted_end(w.payload()));
      } else if (convert && part == Part::kRowsEnd) {
        put(converted_end(w.payload()));
      } else {
        put(w.payload());
      }
    }
    if (convert && !*wanted_ && ended_defs(last, Part::kOther)) put(classic_eof(kAutocommit, 0));
    return std::move(out_);
  }

 private:
  static bool ended_defs(Part last, Part now) {
    return (last == Part::kColumnDef || last == Part::kParamDef) && now != last &&
           now != Part::kDefsEnd;
  }
  Bytes converted_end(ByteView payload) const {
    if (*wanted_)
      return ok_as_eof(payload.size() >= 5 ? le16(payload, 3) : kAutocommit,
                       payload.size() >= 3 ? le16(payload, 1) : 0);
    const OkFields f = parse_ok(payload);
    return classic_eof(f.status, f.warnings);
  }
  void put(ByteView payload) { seq_ = put_packet(out_, seq_, payload); }

  Shape shape_;
  uint8_t seq_;
  std::optional<bool> wanted_;
  Bytes out_;
};

bool is_lone_error(ByteView recorded) {
  Walk w(recorded);
  return w.next() && is_err(w.payload());
}

}  // namespace

Bytes MysqlResponder::greeting(ByteView recorded) {
  Walk walk(recorded);
  if (!walk.next()) {
    const Bytes own = default_greeting();
    Walk w(own);
    if (w.next()) greeting_caps_ = parse_greeting(w.payload()).capabilities;
    return own;
  }
  Bytes payload(walk.payload());
  const Greeting g = parse_greeting(payload);
  if (!g.valid) return Bytes(recorded);  // an ERR: too many connections
  constexpr uint32_t kNot = kSsl | kCompress | kZstd;
  greeting_caps_ = g.capabilities & ~kNot;
  for (int i = 0; i < 2; ++i) {
    payload[g.low_at + i] = static_cast<char>(greeting_caps_ >> (8 * i));
    if (g.high_at != 0) payload[g.high_at + i] = static_cast<char>(greeting_caps_ >> (16 + 8 * i));
  }
  Bytes out;
  put_packet(out, walk.seq(), payload);
  return out;
}

Bytes MysqlResponder::ok(const Message& live) const {
  Bytes p(3, '\0');
  put_le16(p, kAutocommit);
  put_le16(p, 0);
  Bytes out;
  put_packet(out, seq_after(live.bytes), p);
  return out;
}

std::optional<Result<Bytes>> MysqlResponder::login(const Message& live, ByteView recorded) {
  if (live.operation.verb == "SSL_REQUEST")
    return Result<Bytes>(fail("the client insists on TLS", "switch TLS off in the client"));
  Bytes payload = first_payload(live.bytes);
  ByteView plugin;
  if (live.operation.verb == "LOGIN") {
    const Login l = parse_login(payload);
    deprecate_eof_ = (l.capabilities & greeting_caps_ & kDeprecateEof) != 0;
    login_seen_ = true;
    plugin = l.plugin;
  } else if (live.operation.verb == "CHANGE_USER") {
    plugin = parse_change_user(payload, 0).plugin;
  }
  for (const std::string_view name : kMutual) {
    if (plugin == name)
      return Result<Bytes>(
          fail("login by " + std::string(name) + " demands that the server proves itself"));
  }
  if (is_lone_error(recorded)) return Result<Bytes>(adapt(live, {}, recorded));
  if (plugin != "caching_sha2_password") return Result<Bytes>(ok(live));
  Bytes out;
  const uint8_t seq = put_packet(out, seq_after(live.bytes), ByteView("\x01\x03", 2));
  Bytes p(3, '\0');
  put_le16(p, kAutocommit), put_le16(p, 0);
  put_packet(out, seq, p);
  return Result<Bytes>(std::move(out));
}

std::optional<Result<Bytes>> MysqlResponder::template_answer(const Message& live,
                                                             ByteView recorded) {
  const Operation& op = live.operation;
  switch (op.tier) {
    case Tier::kCall:
      return std::nullopt;
    case Tier::kHandshake:
      return login(live, recorded);
    case Tier::kHeartbeat:
      if (op.verb == "PING") return Result<Bytes>(ok(live));
      break;
    case Tier::kSetup:
      break;
  }
  if (live.role == Role::kOneWay) return Result<Bytes>(Bytes());
  if (!recorded.empty()) return adapt(live, {}, recorded);
  const bool ok_will_do = op.tier == Tier::kSetup && op.verb != "PREPARE";
  if (!ok_will_do) return std::nullopt;
  return Result<Bytes>(ok(live));
}

Result<Bytes> MysqlResponder::adapt(const Message& live, ByteView, ByteView recorded_answer) {
  const Shape shape = shape_of_request(live.bytes, live.operation);
  if (shape == Shape::kNone) return Bytes();
  const uint32_t id =
      shape == Shape::kPrepare && !is_lone_error(recorded_answer) ? ++last_statement_ : 0;
  const std::optional<bool> form = login_seen_ ? std::optional<bool>(deprecate_eof_) : std::nullopt;
  return Rewriter(shape, seq_after(live.bytes), form).run(recorded_answer, id);
}

Bytes MysqlResponder::error(const Message& live, std::string_view explanation) {
  if (live.role == Role::kOneWay) return {};
  Bytes p;
  put_u8(p, 0xff);
  put_le16(p, 1105);
  p += "#HY000reprise: ";
  p.append(explanation);
  Bytes out;
  put_packet(out, seq_after(live.bytes), p);
  return out;
}

}  // namespace reprise::wire::mysql
