#include "wire/dns/dns.h"

#include <unordered_map>

#include "wire/http_fields.h"
#include "wire/message_builder.h"

namespace reprise::wire {

namespace {

using namespace dns;

constexpr size_t kMaxSameId = 64;  // queries with one id that wait for an answer

class DnsCodec : public Codec {
 public:
  explicit DnsCodec(const CodecOptions& options)
      : query_(Dir::kRequest, options.message_limit),
        answer_(Dir::kResponse, options.message_limit) {}

  void feed(Dir dir, ByteView bytes, int64_t at_ns, std::vector<Message>& out) override {
    bool& dead = dead_[dir == Dir::kRequest ? 0 : 1];
    if (bytes.empty() || dead) return;
    MessageBuilder& builder = dir == Dir::kRequest ? query_ : answer_;
    const auto packet = parse(bytes);
    if (!packet || packet->response != (dir == Dir::kResponse)) {
      dead = true;
      if (!fault_) fault_ = Fault{dir, builder.position(), "no DNS datagram"};
      return;
    }
    builder.add(bytes, at_ns);
    std::vector<uint64_t>& waiting = waiting_[packet->id];
    if (dir == Dir::kRequest) {
      if (waiting.size() >= kMaxSameId) waiting.erase(waiting.begin());
      waiting.push_back(++exchange_);
      out.push_back(builder.take(Role::kRequest, exchange_));
      describe_query(*packet, out.back().operation);
    } else if (waiting.empty()) {  // a second answer to one query, or a query that was not seen
      waiting_.erase(packet->id);
      out.push_back(builder.take(Role::kPush, ++exchange_));
    } else {
      const uint64_t exchange = waiting.front();
      waiting.erase(waiting.begin());
      if (waiting.empty()) waiting_.erase(packet->id);
      out.push_back(builder.take(Role::kAnswer, exchange));
    }
  }
  void finish(Dir, int64_t, std::vector<Message>&) override {}
  // Lost datagrams are whole messages: what comes next is a datagram again.
  void gap(Dir dir, uint64_t length, int64_t, std::vector<Message>&) override {
    (dir == Dir::kRequest ? query_ : answer_).skip(length);
  }
  const std::optional<Fault>& fault() const override { return fault_; }

 private:
  static void describe_query(const Packet& packet, Operation& op) {
    op.verb = packet.opcode == 0 ? "QUERY" : "OPCODE" + std::to_string(packet.opcode);
    op.effect = packet.opcode == 0 ? Effect::kRead : Effect::kUnknown;
    op.label = op.verb;
    LeafNames names;
    for (const Question& q : packet.questions) {
      if (&q == &packet.questions.front()) op.label = type_name(q.type) + ' ' + q.name;
      op.leaves.push_back({names.unique("name"), q.name, LeafForm::kText, LeafClass::kIdentity});
      op.leaves.push_back(
          {names.unique("type"), type_name(q.type), LeafForm::kText, LeafClass::kIdentity});
    }
  }

  MessageBuilder query_;
  MessageBuilder answer_;
  std::unordered_map<uint16_t, std::vector<uint64_t>> waiting_;  // by id: exchanges
  uint64_t exchange_ = 0;
  bool dead_[2] = {false, false};
  std::optional<Fault> fault_;
};

class DnsResponder : public Responder {
 public:
  // The id of the live query; its name keeps the case that it was asked in.
  Result<Bytes> adapt(const Message& live, ByteView, ByteView recorded_answer) override {
    Bytes out(recorded_answer);
    if (out.size() >= 2 && live.bytes.size() >= 2) out.replace(0, 2, live.bytes, 0, 2);
    const auto asked = parse(live.bytes);
    const auto answered = parse(recorded_answer);
    const bool same = asked && answered && asked->questions.size() == 1 &&
                      answered->questions.size() == 1 &&
                      asked->questions[0].name == answered->questions[0].name;
    if (!same) return out;
    constexpr size_t kName = 12;  // the first question stands behind the header, uncompressed
    for (size_t i = kName; i < out.size() && i < live.bytes.size() && u8(out, i) != 0; ++i) {
      if (ascii_lower(out.substr(i, 1)) != ascii_lower(live.bytes.substr(i, 1))) break;
      out[i] = live.bytes[i];
    }
    return out;
  }
  Bytes error(const Message& live, std::string_view) override {
    return make_error(live.bytes, kServFail);
  }
};

Answer describe_answer(ByteView, const Operation&, ByteView answer) {
  constexpr const char* kRcodes[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                     "NXDOMAIN", "NOTIMP",  "REFUSED"};
  Answer a;
  const auto packet = parse(answer);
  if (!packet) {
    a.label = "no DNS: " + printable(answer, 60);
    a.error = true;
    a.leaves.push_back({"bytes", Bytes(answer), LeafForm::kBinary, LeafClass::kIdentity});
    return a;
  }
  a.error = packet->rcode != 0;
  const std::string rcode = size_t(packet->rcode) < std::size(kRcodes)
                                ? kRcodes[packet->rcode]
                                : "RCODE" + std::to_string(packet->rcode);
  a.label = rcode + ", " + std::to_string(packet->answers.size()) + " records";
  a.leaves.push_back({"rcode", rcode, LeafForm::kText, LeafClass::kIdentity});
  for (size_t i = 0; i < packet->answers.size(); ++i) {
    const Resource& r = packet->answers[i];
    const std::string path = "answer[" + std::to_string(i) + "].";
    a.leaves.push_back({path + "name", r.name, LeafForm::kText, LeafClass::kIdentity});
    a.leaves.push_back({path + "type", type_name(r.type), LeafForm::kText, LeafClass::kIdentity});
    a.leaves.push_back({path + "data", r.data, LeafForm::kText, LeafClass::kIdentity});
    a.leaves.push_back(
        {path + "ttl", std::to_string(r.ttl), LeafForm::kNumber, LeafClass::kContext});
  }
  return a;
}

// A client's first datagram: a standard query with one question that fills it, but for EDNS.
Likelihood detect(const Prefix& prefix) {
  if (prefix.client.empty()) return prefix.server.empty() ? Likelihood::kNeedMore : Likelihood::kNo;
  if (prefix.client.size() < 12) return Likelihood::kNo;  // a datagram is never cut
  const auto packet = parse(prefix.client);
  const bool query = packet && !packet->response && packet->opcode == 0 && packet->rcode == 0 &&
                     packet->questions.size() == 1 && packet->questions[0].cls == 1 &&
                     be16(prefix.client, 6) == 0 && be16(prefix.client, 8) == 0 &&
                     be16(prefix.client, 10) <= 2 &&
                     (be16(prefix.client, 10) > 0 || packet->end == prefix.client.size());
  return query ? Likelihood::kYes : Likelihood::kNo;
}

}  // namespace

ProtocolEntry dns_entry() {
  return {
      Protocol::kDns, detect,
      [](const CodecOptions& o) -> std::unique_ptr<Codec> { return std::make_unique<DnsCodec>(o); },
      []() -> std::unique_ptr<Responder> { return std::make_unique<DnsResponder>(); },
      describe_answer};
}

}  // namespace reprise::wire
