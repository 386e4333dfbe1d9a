// A codec frames both directions of one stream of one protocol. It is sans-I/O: bytes in, messages out.
// The same class serves the recorder (passive, both directions observed), the mock (requests arrive,
// the answers that it sends are fed back, so that the codec's state follows), the driver (requests that
// it sends are fed, answers arrive) and the fuzzer.
//
// Rules for every codec:
// - any segmentation of the same bytes gives the same messages; cost is linear in the bytes;
// - memory is bounded: a message past CodecOptions::message_limit keeps its beginning and a digest;
//   a header or length that cannot be framed is a fault, never an allocation by a claimed length;
// - untrusted bytes never abort, throw or read out of bounds;
// - after a fault in a direction nothing more is emitted for it; the caller falls back to raw.
// One owner thread an object.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "wire/message.h"

namespace reprise::wire {

struct CodecOptions {
  size_t message_limit = 16u << 20;  // bytes of one message that are kept
};

struct Fault {
  Dir dir = Dir::kRequest;
  uint64_t offset = 0;  // of the byte that cannot be framed, in its direction
  std::string reason;   // "bad chunk length"
};

class Codec {
 public:
  virtual ~Codec() = default;
  // Consumes all bytes of one direction, in stream order; appends what became complete to out.
  virtual void feed(Dir dir, ByteView bytes, int64_t at_ns, std::vector<Message>& out) = 0;
  // That direction has ended (FIN, close). Emits what this completes (a close-delimited answer) and,
  // marked incomplete, what it cut.
  virtual void finish(Dir dir, int64_t at_ns, std::vector<Message>& out) = 0;
  // length bytes of that direction were lost. The message in flight is emitted incomplete; the codec
  // resumes at the next boundary that it can prove, or sets a fault.
  virtual void gap(Dir dir, uint64_t length, int64_t at_ns, std::vector<Message>& out) = 0;
  virtual const std::optional<Fault>& fault() const = 0;
};

// Decodes a complete answer for showing and comparing. Stateless: it may look at the request.
using DescribeAnswer = Answer (*)(ByteView request, const Operation& operation, ByteView answer);

// What a mock needs to speak a protocol as its server. One object for one live connection; it is told
// of nothing but what it is asked. Bytes that it returns are complete protocol units.
class Responder {
 public:
  virtual ~Responder() = default;
  // What the server says before the client spoke. recorded is the greeting of that dependency in the
  // recording, empty if it never greeted.
  virtual Bytes greeting(ByteView recorded) { return Bytes(recorded); }
  // The answer to a request that needs no recording: logins (success by what the protocol allows
  // without the secret), TLS refusal, heartbeats. recorded is the recorded answer to the like request
  // of that dependency, empty if there is none. nullopt: this request must be matched.
  // An Error: cannot be played (a login that demands proof of a secret); it is refused by name.
  virtual std::optional<Result<Bytes>> template_answer(const Message& live, ByteView recorded) {
    (void)live, (void)recorded;
    return std::nullopt;
  }
  // The recorded answer, made to fit the live request: statement ids of this connection, parts that
  // the live request asks for and the recorded one did not. recorded_request may be empty.
  virtual Result<Bytes> adapt(const Message& live, ByteView recorded_request, ByteView recorded_answer) {
    (void)live, (void)recorded_request;
    return Bytes(recorded_answer);
  }
  // A protocol-correct error as the answer to live; the connection stays usable where the protocol can.
  virtual Bytes error(const Message& live, std::string_view explanation) = 0;
};

// First bytes of a stream, for detection. Either side may be empty.
struct Prefix {
  ByteView client;
  ByteView server;
  bool server_first = false;  // the server spoke before the client did
  uint16_t server_port = 0;   // 0 for Unix sockets and if unknown
};

enum class Likelihood : uint8_t { kNo, kNeedMore, kMaybe, kYes };

// One protocol: the fixed shape of a folder under wire/.
struct ProtocolEntry {
  Protocol protocol;
  Likelihood (*detect)(const Prefix& prefix);
  std::unique_ptr<Codec> (*make_codec)(const CodecOptions& options);
  std::unique_ptr<Responder> (*make_responder)();
  DescribeAnswer describe_answer;
};

}  // namespace reprise::wire
