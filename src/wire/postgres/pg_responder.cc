// Logins: the server decides, so AuthenticationOk answers the start-up packet at once, and what was
// recorded with SCRAM is played without the secret. A client that insists on channel binding or on
// a certain method (channel_binding=require, require_auth) fails by itself: its start-up packet
// does not tell, so it cannot be refused by name.
//
// Extended units: a driver splits the same work differently from run to run (a statement prepared
// five executions ago needs no Parse now), so the answer is built again from its recorded parts,
// one for each message of the live unit.
#include "wire/postgres/pg_responder.h"

#include <array>
#include <deque>
#include <utility>

#include "wire/postgres/pg_messages.h"

namespace reprise::wire::postgres {

namespace {

constexpr std::array<std::pair<const char*, const char*>, 8> kDefaults = {
    {{"server_version", "15.0"},
     {"server_encoding", "UTF8"},
     {"client_encoding", "UTF8"},
     {"DateStyle", "ISO, MDY"},
     {"IntervalStyle", "postgres"},
     {"TimeZone", "Etc/UTC"},
     {"integer_datetimes", "on"},
     {"standard_conforming_strings", "on"}}};

// The parts of a recorded answer, in order of their kind.
struct Parts {
  std::deque<ByteView> rows_described;    // T or n
  std::deque<ByteView> params_described;  // t
  std::deque<Bytes> results;              // rows and copy data up to C, s, I or CopyIn
  ByteView error;
  Bytes ready;
  Bytes asides;  // notices, parameter changes, notifications: in front of ReadyForQuery
  bool parsed = false;
  bool bound = false;
};

Parts take_apart(ByteView recorded) {
  Parts p;
  Bytes result;
  for (Walk w(recorded); w.next();) {
    const ByteView m = w.msg().whole;
    switch (w.type()) {
      case '1':
        p.parsed = true;
        break;
      case '2':
        p.bound = true;
        break;
      case '3':
        break;
      case 'T':
      case 'n':
        p.rows_described.push_back(m);
        break;
      case 't':
        p.params_described.push_back(m);
        break;
      case 'D':
      case 'H':
      case 'd':
      case 'c':
        result.append(m);
        break;
      case 'C':
      case 's':
      case 'I':
      case 'G':
        result.append(m);
        p.results.push_back(std::exchange(result, {}));
        break;
      case 'E':
        if (p.error.empty()) p.error = m;
        break;
      case 'Z':
        p.ready = Bytes(m);
        break;
      case 'N':
      case 'S':
      case 'A':
        p.asides.append(m);
        break;
      default:
        break;
    }
  }
  return p;
}

// Result formats that the Binds of a unit ask for; all text is "" however it was spelt.
std::string formats_of(ByteView unit) {
  std::string all;
  for (Walk w(unit); w.next();) {
    if (w.type() != 'B') continue;
    Reader r(w.msg().body);
    r.zero_terminated(), r.zero_terminated();
    for (unsigned i = r.int16(); i > 0 && r.ok(); --i) r.int16();
    for (unsigned i = r.int16(); i > 0 && r.ok(); --i) {
      const uint32_t length = r.int32();
      if (length != 0xffffffff) r.take(length);
    }
    std::string formats;
    for (unsigned i = r.int16(); i > 0 && r.ok(); --i) formats += r.int16() == 0 ? '0' : '1';
    if (formats.find('1') == std::string::npos) formats.clear();
    if (formats.find('0') == std::string::npos && !formats.empty()) formats = "1";
    all += formats + ";";
  }
  return all;
}

bool is_extended(ByteView unit) {
  for (Walk w(unit); w.next();) {
    if (ByteView("PBDECHS").find(w.type()) != ByteView::npos) return true;
  }
  return false;
}

// The command tag of a statement of Tier::kSetup that returns no rows; else empty.
std::string tag_of_setting(const Operation& op) {
  if (op.tier != Tier::kSetup || (op.verb != "QUERY" && op.verb != "EXECUTE")) return {};
  const Leaf* sql = find_leaf(op.leaves, "sql");
  if (sql == nullptr || find_leaf(op.leaves, "sql[1]") != nullptr) return {};
  const ByteView text = trim(sql->text);
  if (text.find(';') < text.size() - std::min<size_t>(text.size(), 1)) return {};
  for (const char* word :
       {"SET", "RESET", "DEALLOCATE ALL", "DEALLOCATE", "DISCARD ALL", "LISTEN", "UNLISTEN", "ROLLBACK"}) {
    const ByteView w(word);
    if (iequals(text.substr(0, w.size()), w)) return word;
  }
  return {};
}

char last_type(ByteView unit) {
  char type = 0;
  for (Walk w(unit); w.next();) type = w.type();
  return type;
}

// Ends where an answer can: with ReadyForQuery, a request for COPY data or a fatal error.
bool is_whole(ByteView answer) {
  size_t walked = 0;
  char last = 0;
  for (Walk w(answer); w.next(); last = w.type()) walked += w.msg().whole.size();
  return walked == answer.size() && (last == 'Z' || last == 'G' || last == 'E');
}

class Rebuild {
 public:
  // simple: recorded as a simple query, which describes rows unasked and parameters never.
  Rebuild(ByteView recorded, bool simple) : parts_(take_apart(recorded)), simple_(simple) {}

  Result<Bytes> run(ByteView unit, char state, bool& skipping) {
    const bool failed_at_once =
        !parts_.error.empty() && !parts_.parsed && !parts_.bound && parts_.results.empty();
    for (Walk w(unit); w.next();) {
      if (failed_ && w.type() != 'S') continue;
      if (failed_at_once && w.type() != 'S') {
        fail_here();
        continue;
      }
      REPRISE_TRY(one(w.msg(), state));
      if (copy_in_) return std::move(out_);
    }
    skipping = failed_ && last_type(unit) != 'S';
    return std::move(out_);
  }

 private:
  void fail_here() {
    out_.append(parts_.error);
    failed_ = true;
  }
  Status one(const Msg& m, char state) {
    switch (m.type) {
      case 'P':
        put_message(out_, '1', {});
        return {};
      case 'B':
        put_message(out_, '2', {});
        return {};
      case 'C':
        put_message(out_, '3', {});
        return {};
      case 'D':
        return describe(!m.body.empty() && m.body[0] == 'S');
      case 'E':
        return execute();
      case 'S':
        out_.append(parts_.asides);
        if (parts_.ready.empty()) put_message(parts_.ready, 'Z', ByteView(&state, 1));
        out_.append(parts_.ready);
        return {};
      default:
        return {};
    }
  }
  Status describe(bool statement) {
    if (simple_ && parts_.error.empty()) {
      if (statement) put_message(out_, 't', ByteView("\0\0", 2));
      if (parts_.rows_described.empty()) {
        put_message(out_, 'n', {});
      } else {
        out_.append(parts_.rows_described.front());
        parts_.rows_described.pop_front();
      }
      return {};
    }
    const bool missing =
        parts_.rows_described.empty() || (statement && parts_.params_described.empty());
    if (missing && !parts_.error.empty()) return fail_here(), Status{};
    if (missing)
      return fail(
          "the live request asks for a description, which the recorded answer does not hold");
    if (statement) {
      out_.append(parts_.params_described.front());
      parts_.params_described.pop_front();
    }
    out_.append(parts_.rows_described.front());
    parts_.rows_described.pop_front();
    return {};
  }
  Status execute() {
    if (parts_.results.empty()) {
      if (parts_.error.empty()) return fail("the live request executes more than the recorded one");
      fail_here();
      return {};
    }
    const Bytes& result = parts_.results.front();
    out_.append(result);
    copy_in_ = last_type(result) == 'G';
    parts_.results.pop_front();
    return {};
  }

  Parts parts_;
  const bool simple_;
  Bytes out_;
  bool failed_ = false;
  bool copy_in_ = false;
};

// The answer to an extended unit, as a simple query gets it; nullopt if rows lack their description.
std::optional<Bytes> as_simple(ByteView recorded) {
  Bytes out;
  bool described = false;
  for (Walk w(recorded); w.next();) {
    if (ByteView("123nts").find(w.type()) != ByteView::npos) continue;
    if (w.type() == 'T') described = true;
    if (w.type() == 'D' && !described) return std::nullopt;
    out.append(w.msg().whole);
  }
  return out;
}

}  // namespace

Bytes PostgresResponder::ready() const {
  Bytes out;
  put_message(out, 'Z', ByteView(&state_, 1));
  return out;
}

Bytes PostgresResponder::remember(Bytes answer) {
  for (Walk w(answer); w.next();) {
    if (w.type() == 'Z' && !w.msg().body.empty()) state_ = w.msg().body[0];
  }
  return answer;
}

Bytes PostgresResponder::login(ByteView recorded) {
  Bytes out;
  Bytes parameters;
  Bytes key;
  for (Walk w(recorded); w.next();) {
    if (w.type() == 'S') parameters.append(w.msg().whole);
    if (w.type() == 'K') key = Bytes(w.msg().whole);
  }
  put_message(out, 'R', ByteView("\0\0\0\0", 4));
  if (parameters.empty()) {
    for (const auto& [name, value] : kDefaults) {
      Bytes body = name;
      put_u8(body, 0);
      body += value;
      put_u8(body, 0);
      put_message(parameters, 'S', body);
    }
  }
  if (key.empty()) put_message(key, 'K', "\x01\x01\x01\x01repr");
  state_ = 'I';
  return out + parameters + key + ready();
}

std::optional<Result<Bytes>> PostgresResponder::template_answer(const Message& live,
                                                                ByteView recorded) {
  const Operation& op = live.operation;
  if (live.role == Role::kOneWay) return Result<Bytes>(Bytes());
  if (op.verb == "SSL_REQUEST" || op.verb == "GSSENC_REQUEST") return Result<Bytes>(Bytes("N"));
  if (op.tier == Tier::kHandshake) {
    // A login that was refused is refused again.
    const bool refused = last_type(recorded) == 'E';
    return Result<Bytes>(refused ? Bytes(recorded) : login(recorded));
  }
  if (skipping_) {
    if (last_type(live.bytes) != 'S') return Result<Bytes>(Bytes());
    skipping_ = false;
    if (state_ == 'T') state_ = 'E';
    return Result<Bytes>(ready());
  }
  if (op.tier == Tier::kCall) return std::nullopt;
  if (!recorded.empty()) return adapt(live, {}, recorded);
  // What needs no description can be answered without a recording, and so can settings.
  if (const std::string tag = tag_of_setting(op); !tag.empty()) {
    if (tag == "ROLLBACK") state_ = 'I';
    Bytes made;
    if (is_extended(live.bytes)) put_message(made, 'n', {});
    put_message(made, 'C', tag + Bytes(1, '\0'));
    return adapt(live, {}, made + ready());
  }
  for (Walk w(live.bytes); w.next();) {
    if (ByteView("PBCSH").find(w.type()) == ByteView::npos) return std::nullopt;
  }
  return adapt(live, {}, {});
}

Result<Bytes> PostgresResponder::adapt(const Message& live, ByteView recorded_request,
                                       ByteView recorded_answer) {
  const bool was_extended = is_extended(recorded_request);
  if (!is_extended(live.bytes)) {
    if (!is_whole(recorded_answer)) return fail("the recorded answer is incomplete");
    if (!was_extended) return remember(Bytes(recorded_answer));
    auto simple = as_simple(recorded_answer);
    if (!simple || formats_of(recorded_request).find('1') != std::string::npos) {
      return fail("the recorded answer to the prepared statement does not fit a plain query");
    }
    return remember(std::move(*simple));
  }
  const bool simple = !recorded_request.empty() && !was_extended;
  const std::string formats = formats_of(live.bytes);
  if (simple ? formats.find('1') != std::string::npos
             : !recorded_request.empty() && formats_of(recorded_request) != formats) {
    return fail(
        "the live request asks for other result formats (text, binary) than the recorded one");
  }
  REPRISE_ASSIGN(Bytes answer, Rebuild(recorded_answer, simple).run(live.bytes, state_, skipping_));
  return remember(std::move(answer));
}

Bytes PostgresResponder::error(const Message& live, std::string_view explanation) {
  if (live.role == Role::kOneWay) return {};
  const bool login = live.operation.tier == Tier::kHandshake;
  Bytes body;
  const auto field = [&](char type, std::string_view value) {
    put_u8(body, static_cast<unsigned char>(type));
    body.append(value);
    put_u8(body, 0);
  };
  field('S', login ? "FATAL" : "ERROR");
  field('V', login ? "FATAL" : "ERROR");
  field('C', "XX000");
  field('M', "reprise: " + std::string(explanation));
  put_u8(body, 0);
  Bytes out;
  put_message(out, 'E', body);
  if (login) return out;
  if (last_type(live.bytes) == 'H') {
    skipping_ = true;
    return out;
  }
  if (state_ == 'T') state_ = 'E';
  return out + ready();
}

}  // namespace reprise::wire::postgres
