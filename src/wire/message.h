// What codecs emit. Offsets count bytes of one direction of one stream from its first byte; times are
// nanoseconds since the Unix epoch, as the caller gave them to feed().
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/leaf.h"

namespace reprise::wire {

enum class Protocol : uint8_t {
  kUnknown = 0,
  kRaw = 1,
  kHttp1 = 2,
  kFastcgi = 3,
  kRedis = 4,
  kMysql = 5,
  kPostgres = 6,
  kDns = 7,
  kTls = 8,
};
const char* name(Protocol p);  // "http1", "redis", ...
Protocol protocol_by_name(std::string_view name);  // kUnknown if there is none

// kRequest flows from the side that connected to the side that accepted.
enum class Dir : uint8_t { kRequest = 0, kResponse = 1 };

enum class Role : uint8_t {
  kRequest,   // opens an exchange that gets an answer
  kInterim,   // an answer that does not complete the exchange (HTTP 1xx)
  kAnswer,    // completes the exchange
  kOneWay,    // from the client, never answered (COM_STMT_CLOSE, PostgreSQL Terminate)
  kGreeting,  // the server speaks first (MySQL); an exchange of its own, complete at once
  kPush,      // from the server, asked by nobody (Redis pub/sub, PostgreSQL NOTIFY)
};

// What serving a request from a recording has to respect.
enum class Effect : uint8_t { kUnknown = 0, kRead = 1, kWrite = 2 };

// Calls are used once. The others are templates that are never used up.
enum class Tier : uint8_t {
  kCall = 0,
  kHandshake = 1,  // login, TLS refusal, protocol start: answered by the protocol, not by matching
  kHeartbeat = 2,  // PING, SELECT 1
  kSetup = 3,      // session set-up (SET NAMES, SELECT db, CLIENT SETNAME) and statement preparation
};

// A request, decoded. Statement ids are resolved: an EXECUTE carries the text of its statement.
struct Operation {
  std::string verb;   // "GET", "COM_QUERY", "HGET", "QUERY", "EXECUTE": part of the hard key
  std::string label;  // one line for a person: "GET /user/17", "SELECT name FROM t WHERE id = ?"
  Effect effect = Effect::kUnknown;
  Tier tier = Tier::kCall;
  Leaves leaves;
};

// An answer, decoded.
struct Answer {
  std::string label;   // "200 OK, 41 bytes", "3 rows", "-ERR no such key"
  bool error = false;  // the protocol calls it an error (HTTP status >= 400 included)
  Leaves leaves;
};

struct Message {
  Dir dir = Dir::kRequest;
  Role role = Role::kRequest;
  uint64_t exchange = 0;  // a request and its answers share it; increases within the stream
  uint64_t begin = 0;     // [begin, end) in the stream of this direction
  uint64_t end = 0;
  int64_t first_ns = 0;  // when its first byte was seen
  int64_t last_ns = 0;
  Bytes bytes;  // shorter than end - begin only if truncated
  bool truncated = false;   // longer than CodecOptions::message_limit: bytes is the beginning
  bool incomplete = false;  // the stream ended, or lost bytes, in the middle of it
  std::string digest;       // XXH3-128 in hexadecimal of all its bytes, only if truncated
  Operation operation;      // for Role::kRequest and kOneWay
};

}  // namespace reprise::wire
