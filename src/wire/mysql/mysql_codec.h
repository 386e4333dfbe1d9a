// Frames both directions of a MySQL or MariaDB connection, in clear text, from the greeting or from
// the middle.
#pragma once

#include <deque>

#include "wire/codec.h"
#include "wire/message_builder.h"
#include "wire/mysql/answer_shape.h"
#include "wire/mysql/operation.h"

namespace reprise::wire::mysql {

class MysqlCodec : public Codec {
 public:
  explicit MysqlCodec(const CodecOptions& options)
      : request_(Dir::kRequest, options.message_limit),
        answer_(Dir::kResponse, options.message_limit) {}

  void feed(Dir dir, ByteView bytes, int64_t at_ns, std::vector<Message>& out) override;
  void finish(Dir dir, int64_t at_ns, std::vector<Message>& out) override;
  void gap(Dir dir, uint64_t length, int64_t at_ns, std::vector<Message>& out) override;
  const std::optional<Fault>& fault() const override { return fault_; }

 private:
  enum class Phase : uint8_t { kStart, kLogin, kAuth, kCommand };
  struct Pending {
    uint64_t exchange;
    AnswerShape shape;
    uint8_t next_seq;  // of the next packet of the answer
    uint8_t command;   // 0 for the login
    Bytes sql;         // of a PREPARE
  };

  void feed_requests(ByteView bytes, int64_t at_ns, std::vector<Message>& out);
  void feed_answers(ByteView bytes, int64_t at_ns, std::vector<Message>& out);
  void client_packet(std::vector<Message>& out);
  void command_packet(std::vector<Message>& out);
  void login_packet(std::vector<Message>& out);
  void server_packet(std::vector<Message>& out);
  void unasked_packet(std::vector<Message>& out);
  void answer_complete(std::vector<Message>& out);
  void login_done(Part last);
  void learn_statement(Part part, const Pending& p);
  void emit_request(Role role, Operation op, std::vector<Message>& out);
  void joined_late(std::vector<Message>& out);
  void settle_guess(std::vector<Message>& out);
  void set_fault(Dir dir, uint64_t offset, std::string reason);

  MessageBuilder request_;
  MessageBuilder answer_;
  Framer client_;
  Framer server_;
  Phase phase_ = Phase::kStart;
  std::deque<Pending> pending_;
  Statements statements_;
  uint64_t exchange_ = 0;
  uint32_t server_caps_ = 0;
  uint32_t caps_ = 0;  // agreed
  bool cached_metadata_ = false;
  size_t pending_sql_ = 0;  // bytes of PREPAREs without an answer
  bool greeted_ = false;
  bool infile_ = false;        // the server asked for a file
  bool drop_request_ = false;  // the rest of the message in flight follows a gap
  bool drop_answer_ = false;
  bool answers_lost_ = false;  // no boundary known until the answer to the next command
  std::optional<bool> deprecate_eof_;
  std::optional<Fault> fault_;
};

}  // namespace reprise::wire::mysql
