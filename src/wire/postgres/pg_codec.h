// Frames both directions of a PostgreSQL connection in clear text. A request is what the client
// sends until it expects an answer: a start-up or password message, a simple query, the messages up
// to and including Sync or Flush, the data of a COPY. Its answer runs to ReadyForQuery, or until
// the client must speak (authentication, COPY IN), or, for a unit that ends in Flush, until each of
// its messages has been answered.
#pragma once

#include <deque>

#include "wire/codec.h"
#include "wire/message_builder.h"
#include "wire/postgres/pg_operation.h"

namespace reprise::wire::postgres {

class PostgresCodec : public Codec {
 public:
  explicit PostgresCodec(const CodecOptions& options)
      : request_(Dir::kRequest, options.message_limit),
        answer_(Dir::kResponse, options.message_limit) {}

  void feed(Dir dir, ByteView bytes, int64_t at_ns, std::vector<Message>& out) override;
  void finish(Dir dir, int64_t at_ns, std::vector<Message>& out) override;
  void gap(Dir dir, uint64_t length, int64_t at_ns, std::vector<Message>& out) override;
  const std::optional<Fault>& fault() const override { return fault_; }

 private:
  enum class Until : uint8_t { kByte, kAuth, kReady, kAnswered };
  struct Pending {
    uint64_t exchange = 0;
    Until until = Until::kReady;
    size_t expected = 0;  // answers to the messages of an extended unit
    size_t seen = 0;
    std::deque<Bytes> described;  // names of the statements it describes
    bool described_lost = false;  // too many of them to remember
  };

  void feed_requests(ByteView bytes, int64_t at_ns, std::vector<Message>& out);
  void feed_answers(ByteView bytes, int64_t at_ns, std::vector<Message>& out);
  void client_message(std::vector<Message>& out);
  void startup_message(std::vector<Message>& out);
  void unit_message(char type);
  bool ends_unit(char type);
  void end_unit(char type, std::vector<Message>& out);
  void request_complete(Role role, Until until, Operation op, std::vector<Message>& out);
  void server_byte(char byte, int64_t at_ns, std::vector<Message>& out);
  void server_message(std::vector<Message>& out);
  bool completes(Pending& p, char type);
  void learn_types(Pending& p);
  void answer_complete(std::vector<Message>& out);
  bool in_unit() const { return !request_.empty() || drop_request_ || !client_.idle(); }
  void set_fault(Dir dir, uint64_t offset, std::string reason);

  MessageBuilder request_;
  MessageBuilder answer_;
  Framer client_{true};
  Framer server_{false};
  std::deque<Pending> pending_;
  Pending open_;                  // of the unit that is being sent
  std::optional<Message> early_;  // its answer, complete before it was
  Names names_;
  uint64_t exchange_ = 0;
  bool started_ = false;  // the start-up message has been seen, or we joined behind it
  bool seen_client_ = false;
  bool last_extended_ = false;  // the last unit was of the extended protocol
  bool unit_extended_ = false;
  bool unit_copy_ = false;
  bool skipping_ = false;  // an error: the server ignores everything up to Sync
  bool drop_request_ = false;
  bool drop_answer_ = false;
  bool answers_lost_ = false;
  char last_server_type_ = 0;
  std::optional<Fault> fault_;
};

}  // namespace reprise::wire::postgres
