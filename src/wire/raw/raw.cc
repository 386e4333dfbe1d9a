// Bytes of no protocol that we know. A turn is a message: what the client sent until the server
// answered, and what the server sent until the client spoke again. That is a guess (a server may talk
// in the middle of a request), so the confidence of raw is never more than "maybe".
#include "wire/raw/raw.h"

#include "wire/message_builder.h"

namespace reprise::wire {

namespace {

class RawCodec : public Codec {
 public:
  explicit RawCodec(const CodecOptions& options)
      : request_(Dir::kRequest, options.message_limit),
        answer_(Dir::kResponse, options.message_limit) {}

  void feed(Dir dir, ByteView bytes, int64_t at_ns, std::vector<Message>& out) override {
    if (bytes.empty()) return;
    if (dir == Dir::kRequest) {
      emit_answer(false, out);
      request_.add(bytes, at_ns);
    } else {
      emit_request(false, out);
      answer_.add(bytes, at_ns);
    }
  }

  void finish(Dir dir, int64_t, std::vector<Message>& out) override {
    if (dir == Dir::kRequest) {
      emit_request(false, out);
    } else {
      emit_request(false, out);
      emit_answer(false, out);
    }
  }

  void gap(Dir dir, uint64_t length, int64_t, std::vector<Message>& out) override {
    emit_request(dir == Dir::kRequest, out);
    emit_answer(dir == Dir::kResponse, out);
    (dir == Dir::kRequest ? request_ : answer_).skip(length);
  }

  const std::optional<Fault>& fault() const override { return fault_; }

 private:
  void emit_request(bool incomplete, std::vector<Message>& out) {
    if (request_.empty()) return;
    Message m = request_.take(Role::kRequest, ++exchange_);
    m.incomplete = incomplete;
    m.operation.verb = "RAW";
    m.operation.label = printable(m.bytes, 60);
    m.operation.leaves.push_back({"bytes", m.bytes, LeafForm::kBinary, LeafClass::kIdentity});
    out.push_back(std::move(m));
    open_ = true;
  }
  void emit_answer(bool incomplete, std::vector<Message>& out) {
    if (answer_.empty()) return;
    Message m = answer_.take(open_ ? Role::kAnswer : Role::kGreeting, open_ ? exchange_ : ++exchange_);
    m.incomplete = incomplete;
    open_ = false;
    out.push_back(std::move(m));
  }

  MessageBuilder request_;
  MessageBuilder answer_;
  uint64_t exchange_ = 0;
  bool open_ = false;
  std::optional<Fault> fault_;
};

class RawResponder : public Responder {
 public:
  // Nothing is a correct error in a protocol that we do not know: the caller closes the connection.
  Bytes error(const Message&, std::string_view) override { return {}; }
};

Answer describe(ByteView, const Operation&, ByteView answer) {
  Answer a;
  a.label = std::to_string(answer.size()) + " bytes";
  a.leaves.push_back({"bytes", Bytes(answer), LeafForm::kBinary, LeafClass::kIdentity});
  return a;
}

}  // namespace

ProtocolEntry raw_entry() {
  return {Protocol::kRaw, [](const Prefix&) { return Likelihood::kNo; },
          [](const CodecOptions& o) -> std::unique_ptr<Codec> { return std::make_unique<RawCodec>(o); },
          []() -> std::unique_ptr<Responder> { return std::make_unique<RawResponder>(); }, describe};
}

}  // namespace reprise::wire
