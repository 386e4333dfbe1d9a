// The inbound side of a replay: sends a recorded request over a connection to the subject and reads the
// framed answer. Framing ends an answer, never silence.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "net/loop.h"
#include "wire/codec.h"

namespace reprise::drive {

struct Exchange {
  enum class State : uint8_t { kRunning, kAnswered, kClosed, kFailed };
  State state = State::kRunning;
  Bytes interim;
  Bytes answer;      // what there is of it, also when kClosed
  uint64_t answer_size = 0;    // more than answer.size() if it was cut at the limit
  std::string answer_digest;   // only if cut, as wire::Message::digest
  bool unasked = false;        // more came behind the answer
  std::string reason;  // for kClosed and kFailed
  int64_t sent_ns = 0;   // monotonic: first byte handed to the kernel
  int64_t first_ns = 0;  // first byte of the answer
  int64_t done_ns = 0;
};

// One connection, one exchange at a time. Lives on a loop; one owner thread.
class Client {
 public:
  // fd: connected, non-blocking; becomes ours.
  // message_limit: bytes kept of an answer.
  Client(net::Loop& loop, int fd, wire::Protocol protocol, size_t message_limit);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Begins an exchange; the previous one must be over. wants_answer false: done once it is sent.
  // raw_size: a protocol without framing is answered once so many bytes have come.
  void start(Bytes request, bool wants_answer, size_t raw_size);
  const Exchange& exchange() const { return exchange_; }
  bool over() const { return exchange_.state != Exchange::State::kRunning; }
  // The peer has not closed, and the last exchange ended in order.
  bool usable() const { return usable_; }

 private:
  void ready(uint32_t events);
  void send_more();
  void read_more();
  void take(std::vector<wire::Message>& messages);
  void closed(std::string reason);

  net::Loop& loop_;
  Fd fd_;
  std::unique_ptr<wire::Codec> codec_;
  wire::Protocol protocol_;
  Exchange exchange_;
  Bytes unsent_;
  Bytes received_;  // of the exchange
  bool wants_answer_ = true;
  size_t raw_size_ = 0;
  bool usable_ = true;
};

}  // namespace reprise::drive
