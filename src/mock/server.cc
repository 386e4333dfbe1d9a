#include "mock/server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "mock/rewrite.h"
#include "wire/dns/dns.h"
#include "wire/http1/http1.h"
#include "wire/registry.h"

namespace reprise::mock {

using wire::Dir;
using wire::Role;
using wire::Tier;

namespace {
constexpr size_t kReadAtOnce = 64 << 10;
constexpr size_t kMostUnsent = 64u << 20;  // a subject that does not read its answers is cut off
constexpr int64_t kSilenceNs = 2'000'000'000;

bool undoes(const wire::Operation& op) {
  const Leaf* sql = find_leaf(op.leaves, "sql");
  return sql != nullptr && iequals(trim(sql->text).substr(0, 8), "ROLLBACK");
}
// The answer that makes a resolver fail with `result` (EAI_*).
Bytes failed_name(ByteView query, int32_t result) {
  constexpr int32_t kNoData = -5;  // EAI_NODATA, an extension of glibc
  if (result == kNoData) return wire::dns::make_answer(query, {}, 60);
  return wire::dns::make_error(query, result == EAI_AGAIN ? wire::dns::kServFail : wire::dns::kNxDomain);
}
}  // namespace

// One connection of the subject.
class Server::Connection {
 public:
  Connection(Server& server, int fd, Address dependency)
      : server_(server), fd_(fd), dependency_(std::move(dependency)), known_(server.book_.find(dependency_)) {}

  // False: the connection is over.
  bool open() {
    int one = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (known_ != nullptr && known_->opaque && known_->protocol == wire::Protocol::kTls) {
      refuse("TLS: recorded without plaintext, so it cannot be played");
      return false;
    }
    if (known_ == nullptr) return true;  // a new dependency: its first bytes will tell what to say
    if (known_->protocol == wire::Protocol::kUnknown) return true;
    speak(known_->protocol);
    if (!known_->greets) return true;
    const Bytes greeting = responder_->greeting(known_->greeting);
    std::vector<wire::Message> none;
    codec_->feed(Dir::kResponse, greeting, server_.now_ns(), none);
    return send(greeting);
  }

  bool ready(uint32_t events) {
    if ((events & EPOLLOUT) != 0 && !flush()) return false;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return true;
    char buffer[kReadAtOnce];
    for (;;) {
      const ssize_t n = ::read(fd_.get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno == EAGAIN;
      if (n == 0) return ended();
      // A client that writes head and body apart would wait 40 ms for a delayed acknowledgement.
      const int one = 1;
      ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
      if (!take(ByteView(buffer, static_cast<size_t>(n)))) return false;
      if (static_cast<size_t>(n) < sizeof buffer) return true;
    }
  }

  bool silent() const { return codec_ == nullptr && prefix_.empty(); }
  void say_silent() { refuse("a connection to an address that was never recorded, and no byte on it"); }

 private:
  void speak(wire::Protocol protocol) {
    protocol_ = protocol;
    codec_ = wire::entry(protocol).make_codec({});
    responder_ = wire::entry(protocol).make_responder();
  }

  bool ended() {
    if (codec_ != nullptr) {
      std::vector<wire::Message> messages;
      codec_->finish(Dir::kRequest, server_.now_ns(), messages);
      for (const wire::Message& m : messages) {
        if (!m.incomplete && !answer(m)) return false;
      }
    }
    flush();
    return false;
  }

  bool take(ByteView bytes) {
    if (codec_ == nullptr) {
      prefix_ += bytes;
      const wire::Detection found =
          wire::detect({prefix_, {}, false, dependency_.port});
      if (found.confidence == wire::Likelihood::kNeedMore) return true;
      speak(found.protocol);
      const Bytes held = std::move(prefix_);
      return take(held);
    }
    if (protocol_ == wire::Protocol::kRaw) return take_raw(bytes);
    std::vector<wire::Message> messages;
    codec_->feed(Dir::kRequest, bytes, server_.now_ns(), messages);
    for (const wire::Message& m : messages) {
      if (!answer(m)) return false;
    }
    if (codec_->fault()) {
      refuse(codec_->fault()->reason);
      return false;
    }
    if (protocol_ == wire::Protocol::kHttp1 && messages.empty() && !continued_) {
      unread_ += bytes;
      if (wire::wants_continue(unread_)) {
        continued_ = true;
        return send("HTTP/1.1 100 Continue\r\n\r\n");
      }
    } else {
      unread_.clear();
      continued_ = false;
    }
    return true;
  }

  // Bytes of no known protocol: a turn is complete when it is a recorded request, to the byte.
  bool take_raw(ByteView bytes) {
    raw_ += bytes;
    wire::Message m;
    m.bytes = raw_;
    m.operation.verb = "RAW";
    m.operation.label = printable(raw_, 60);
    m.operation.leaves.push_back({"bytes", raw_, LeafForm::kBinary, LeafClass::kIdentity});
    if (server_.matcher_.may_continue(dependency_, raw_)) return true;
    raw_.clear();
    return answer(m);
  }

  bool answer(const wire::Message& m) {
    const wire::Operation& op = m.operation;
    if (m.role == Role::kOneWay) {
      ++server_.stats_.one_way;
      if (op.tier == Tier::kCall) report(m, server_.matcher_.match(live(m)));
      return true;
    }
    if (m.role != Role::kRequest) return true;
    ++server_.stats_.requests;
    if (op.tier == Tier::kHandshake) return shake_hands(m);
    Decision d = server_.matcher_.match(live(m));
    if (op.tier != Tier::kCall) {
      const ByteView recorded = d.answer != nullptr ? ByteView(d.answer->answer) : ByteView();
      if (auto made = responder_->template_answer(m, recorded)) {
        d.verdict = *made ? Verdict::kTemplate : Verdict::kRefused;
        if (!*made) d.reason = made->error().message;
        report(m, std::move(d));
        return reply(m, *made ? std::move(**made) : responder_->error(m, made->error().message));
      }
    }
    if (d.answer != nullptr) return serve(m, std::move(d));
    if (undoes(op)) {
      // After a miss a program rolls back; nothing was done, so nothing is to undo.
      wire::Message setup = m;
      setup.operation.tier = Tier::kSetup;
      if (auto made = responder_->template_answer(setup, {}); made && *made) {
        d.verdict = Verdict::kTemplate;
        report(m, std::move(d));
        return reply(m, std::move(**made));
      }
    }
    return miss(m, std::move(d));
  }

  bool shake_hands(const wire::Message& m) {
    Bytes recorded;
    if (known_ != nullptr) {
      const auto it = known_->handshakes.find(m.operation.verb);
      recorded = protocol_ == wire::Protocol::kPostgres || it == known_->handshakes.end() ? known_->login
                                                                                        : it->second;
    }
    Decision d;
    d.verdict = Verdict::kTemplate;
    auto made = responder_->template_answer(m, recorded);
    if (!made) {
      d.reason = "a log-in step that this protocol cannot play";
      return miss(m, std::move(d));
    }
    if (!*made) {
      d.verdict = Verdict::kRefused;
      d.reason = made->error().message;
      report(m, std::move(d));
      return reply(m, responder_->error(m, made->error().message));
    }
    report(m, std::move(d));
    return reply(m, std::move(**made));
  }

  bool serve(const wire::Message& m, Decision d) {
    const session::Call& recorded = *d.answer;
    if (!recorded.answered) {
      // As it was: the dependency broke the connection, or never answered.
      const bool reset = recorded.error != 0 || recorded.incomplete;
      d.reason = "unanswered in the recording too";
      report(m, std::move(d));
      if (reset && !recorded.answer.empty()) send(recorded.answer);
      if (recorded.error == ECONNRESET) reset_on_close();
      return !reset;
    }
    if (recorded.answer.size() < recorded.answer_size) {
      d.verdict = Verdict::kMiss;
      d.reason = fmt::format("its recorded answer was cut at {} of {} bytes (--limit)",
                             recorded.answer.size(), recorded.answer_size);
      return miss(m, std::move(d));
    }
    auto adapted = responder_->adapt(m, recorded.request, recorded.answer);
    if (!adapted) {
      d.reason = adapted.error().message;
      d.verdict = Verdict::kMiss;
      return miss(m, std::move(d));
    }
    Bytes bytes = rewrite_bound(protocol_, std::move(*adapted), server_.matcher_.bindings());
    const bool last = protocol_ == wire::Protocol::kHttp1 && wire::close_delimited(recorded.request, bytes);
    const Bytes interim = continued_ ? Bytes() : recorded.interim;
    report(m, std::move(d));
    if (!interim.empty() && !send(interim)) return false;
    if (!reply(m, std::move(bytes))) return false;
    if (!last) return true;
    closing_ = true;
    return !unsent_.empty();
  }

  bool miss(const wire::Message& m, Decision d) {
    d.verdict = Verdict::kMiss;
    std::string text = "no recorded answer for " + m.operation.label + ": " + d.reason;
    if (d.nearest != nullptr) text += "; nearest: " + d.nearest->operation.label;
    report(m, std::move(d));
    Bytes bytes = responder_->error(m, text);
    if (bytes.empty()) return false;  // no error to say in this protocol
    return reply(m, std::move(bytes));
  }

  LiveCall live(const wire::Message& m) const {
    return {protocol_, dependency_, &m.operation, server_.now_ns()};
  }

  void report(const wire::Message& m, Decision d) {
    server_.served({protocol_, dependency_, &m.operation, std::move(d)});
  }

  void refuse(std::string reason) {
    Served s;
    s.protocol = protocol_;
    s.dependency = dependency_;
    s.decision.verdict = known_ == nullptr ? Verdict::kMiss : Verdict::kRefused;
    s.decision.reason = std::move(reason);
    server_.served(std::move(s));
  }

  // The codec sees what we say: its statement tables and pairing follow.
  bool reply(const wire::Message&, Bytes bytes) {
    std::vector<wire::Message> none;
    codec_->feed(Dir::kResponse, bytes, server_.now_ns(), none);
    return send(bytes);
  }

  bool send(ByteView bytes) {
    unsent_ += bytes;
    return unsent_.size() <= kMostUnsent && flush();
  }

  // What was sent still arrives; behind it comes a reset, no orderly end.
  void reset_on_close() {
    const linger at_once{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }

  bool flush() {
    while (!unsent_.empty()) {
      const ssize_t n = ::send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) {
        server_.loop_.change(fd_.get(), EPOLLIN | EPOLLOUT);
        return true;
      }
      if (n < 0) return false;
      unsent_.erase(0, static_cast<size_t>(n));
    }
    server_.loop_.change(fd_.get(), EPOLLIN);
    return !closing_;
  }

  Server& server_;
  Fd fd_;
  const Address dependency_;
  const Dependency* known_;
  wire::Protocol protocol_ = wire::Protocol::kUnknown;
  std::unique_ptr<wire::Codec> codec_;
  std::unique_ptr<wire::Responder> responder_;
  Bytes prefix_;
  Bytes raw_;
  Bytes unread_;  // of an HTTP request that may wait for 100 Continue
  bool continued_ = false;
  Bytes unsent_;
  bool closing_ = false;
};

Server::Server(net::Loop& loop, Matcher& matcher, const Book& book, OnServed on_served)
    : loop_(loop), matcher_(matcher), book_(book), on_served_(std::move(on_served)) {}

Server::~Server() {
  for (int fd : listening_) loop_.remove(fd);
  for (const auto& [fd, c] : connections_) loop_.remove(fd);
}

int64_t Server::now_ns() const {
  timespec t;
  ::clock_gettime(CLOCK_REALTIME, &t);
  return int64_t(t.tv_sec) * 1000000000 + t.tv_nsec + clock_offset_ns_;
}

Status Server::serve(int fd, Destination destination) {
  REPRISE_TRY(loop_.add(fd, EPOLLIN, [this, fd, destination = std::move(destination)](uint32_t) {
    accept(fd, destination);
  }));
  listening_.push_back(fd);
  return {};
}

void Server::accept(int listener, const Destination& destination) {
  for (;;) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    ++stats_.connections;
    auto wanted = destination(fd);
    if (!wanted) {
      ::close(fd);
      Served s;
      s.decision.reason = "a connection whose destination is unknown: " + wanted.error().message;
      served(std::move(s));
      continue;
    }
    auto c = std::make_unique<Connection>(*this, fd, std::move(*wanted));
    Connection* connection = c.get();
    connections_[fd] = std::move(c);
    auto added = loop_.add(fd, EPOLLIN, [this, fd, connection](uint32_t events) {
      if (!connection->ready(events)) drop(fd);
    });
    if (!added || !connection->open()) {
      drop(fd);
      continue;
    }
    loop_.after(kSilenceNs, [this, fd, connection] {
      const auto it = connections_.find(fd);
      if (it == connections_.end() || it->second.get() != connection || !connection->silent()) return;
      connection->say_silent();
      drop(fd);
    });
  }
}

void Server::drop(int fd) {
  loop_.remove(fd);
  connections_.erase(fd);
}

Status Server::serve_dns(int fd) {
  REPRISE_TRY(loop_.add(fd, EPOLLIN, [this, fd](uint32_t) {
    char buffer[4096];
    sockaddr_storage from;
    socklen_t size = sizeof from;
    for (;;) {
      size = sizeof from;
      const ssize_t n = ::recvfrom(fd, buffer, sizeof buffer, MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&from), &size);
      if (n < 0) return;
      ++stats_.names;
      const ByteView query(buffer, static_cast<size_t>(n));
      const auto packet = wire::dns::parse(query);
      const std::string name = packet && !packet->questions.empty() ? packet->questions[0].name : "";
      const session::Resolution* known = book_.resolve(name);
      Bytes answer;
      if (known != nullptr && known->result == 0) {
        std::vector<std::string> ips;
        for (const Address& a : known->addresses) ips.push_back(a.ip_or_path);
        answer = wire::dns::make_answer(query, ips, 60);
      } else {
        answer = failed_name(query, known != nullptr ? known->result : EAI_NONAME);
      }
      if (known == nullptr) {
        wire::Operation op;
        op.verb = "QUERY";
        op.label = "resolve " + name;
        Served s;
        s.protocol = wire::Protocol::kDns;
        s.operation = &op;
        s.decision.reason = "a name that the recording never asked for";
        served(std::move(s));
      }
      if (!answer.empty()) {
        ::sendto(fd, answer.data(), answer.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), size);
      }
    }
  }));
  listening_.push_back(fd);
  return {};
}

Status Server::serve_datagrams(int fd, const Address& dependency) {
  REPRISE_TRY(loop_.add(fd, EPOLLIN, [this, fd, dependency](uint32_t) {
    char buffer[65536];
    sockaddr_storage from;
    socklen_t size = sizeof from;
    for (;;) {
      size = sizeof from;
      const ssize_t n = ::recvfrom(fd, buffer, sizeof buffer, MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&from), &size);
      if (n < 0) return;
      wire::Operation op;
      op.verb = "RAW";
      op.label = printable(ByteView(buffer, static_cast<size_t>(n)), 60);
      op.leaves.push_back({"bytes", Bytes(buffer, static_cast<size_t>(n)), LeafForm::kBinary,
                           LeafClass::kIdentity});
      Served s;
      s.protocol = wire::Protocol::kRaw;
      s.dependency = dependency;
      s.operation = &op;
      s.decision = matcher_.match({s.protocol, dependency, &op, now_ns()});
      if (s.decision.answer != nullptr && !s.decision.answer->answer.empty()) {
        const Bytes& answer = s.decision.answer->answer;
        ::sendto(fd, answer.data(), answer.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), size);
      }
      served(std::move(s));
    }
  }));
  listening_.push_back(fd);
  return {};
}

}  // namespace reprise::mock
