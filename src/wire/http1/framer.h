// Where one direction of an HTTP/1 stream has its message boundaries (RFC 9112), byte by byte. Own
// code rather than llhttp: a codec needs exact wire bytes and offsets, must take a lost range
// inside a body, and is told by its caller (who knows the request) whether an answer has a body.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "wire/http_fields.h"

namespace reprise::wire::http1 {

// Longer start line with fields, longer trailers: a fault.
inline constexpr size_t kMaxHead = 256 << 10;
inline constexpr size_t kMaxChunkLine = 16 << 10;

struct Head {
  bool response = false;
  int status = 0;
  int minor = 1;  // HTTP/1.minor
  std::string method, target, reason;
  HttpFields fields;
};
// A whole head, empty lines before it allowed. nullopt: no valid start line.
std::optional<Head> parse_head(ByteView bytes);
// Bytes of empty lines at the start: they belong to the message behind them.
size_t filler_length(ByteView bytes);

enum class BodyKind { kNone, kLength, kChunked, kUntilClose, kInvalid };
struct BodySpec {
  BodyKind kind = BodyKind::kNone;
  uint64_t length = 0;
  const char* problem = "";  // for kInvalid
};
// RFC 9112 section 6.3. to_head, to_connect: the answer is one to such a request.
BodySpec request_body(const Head& head);
BodySpec answer_body(const Head& head, bool to_head, bool to_connect);

// The chunks of bytes joined; what a cut or broken body has until it breaks.
Bytes dechunk(ByteView bytes);

class Framer {
 public:
  enum class State {
    kHead,
    kHeadDone,  // waits for start_body()
    kLength,
    kUntilClose,
    kChunkSize,
    kChunkData,
    kChunkEnd,  // the line end behind the data of a chunk
    kTrailers,
    kDone,  // waits for restart()
    kFault,
  };
  explicit Framer(bool response) : response_(response) {}

  // Takes bytes up to the next event (head done, message done, fault: the byte behind is the bad
  // one); returns how many.
  size_t consume(ByteView bytes);
  void start_body(const BodySpec& spec);
  void restart();
  // True if n lost bytes are surely inside the body, so that the end of the message is still known.
  bool skip(uint64_t n);

  State state() const { return state_; }
  const std::string& reason() const { return reason_; }
  ByteView head() const { return head_; }
  bool head_complete() const { return state_ != State::kHead && state_ != State::kFault; }
  // Nothing but empty lines so far.
  bool only_filler() const {
    const ByteView rest = ByteView(head_).substr(start_);
    return state_ == State::kHead && !started_ && (rest.empty() || rest == "\r");
  }

 private:
  size_t consume_head(ByteView bytes);
  size_t consume_chunk_size(ByteView bytes);
  size_t consume_trailers(ByteView bytes);
  void fail(std::string reason);
  void chunk_size_done();

  bool response_;
  State state_ = State::kHead;
  std::string reason_;
  std::string head_;
  size_t start_ = 0;        // of the start line in head_
  size_t line_start_ = 0;   // of the line in flight in head_
  bool started_ = false;    // the start line is complete
  uint64_t remaining_ = 0;  // of a body of known length or of a chunk
  size_t line_length_ = 0;  // bytes of the chunk size line or the trailer line in flight
  size_t trailer_bytes_ = 0;
  bool digits_done_ = false, any_digit_ = false, blank_ = true, saw_cr_ = false;
};

}  // namespace reprise::wire::http1
