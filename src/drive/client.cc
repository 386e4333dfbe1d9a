#include "drive/client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "wire/registry.h"

namespace reprise::drive {

using wire::Dir;
using State = Exchange::State;

Client::Client(net::Loop& loop, int fd, wire::Protocol protocol, size_t message_limit)
    : loop_(loop), fd_(fd), codec_(wire::entry(protocol).make_codec({message_limit})), protocol_(protocol) {
  int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  exchange_.state = State::kAnswered;
  if (auto s = loop_.add(fd, EPOLLIN | EPOLLRDHUP, [this](uint32_t events) { ready(events); }); !s) {
    usable_ = false;
  }
}

Client::~Client() { loop_.remove(fd_.get()); }

void Client::start(Bytes request, bool wants_answer, size_t raw_size) {
  exchange_ = Exchange();
  exchange_.sent_ns = net::Loop::now_ns();
  received_.clear();
  wants_answer_ = wants_answer;
  raw_size_ = raw_size;
  std::vector<wire::Message> messages;
  codec_->feed(Dir::kRequest, request, exchange_.sent_ns, messages);
  unsent_ = std::move(request);
  if (!usable_) return closed("the connection was closed before the request");
  send_more();
}

void Client::ready(uint32_t events) {
  if ((events & EPOLLOUT) != 0) send_more();
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) read_more();
}

void Client::send_more() {
  while (!unsent_.empty()) {
    const ssize_t n = ::send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return loop_.change(fd_.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    if (n < 0) {
      // It may have answered before it stopped reading: what it said is still to be read.
      unsent_.clear();
      break;
    }
    unsent_.erase(0, static_cast<size_t>(n));
  }
  loop_.change(fd_.get(), EPOLLIN | EPOLLRDHUP);
  if (!wants_answer_ && !over()) {
    exchange_.state = State::kAnswered;
    exchange_.done_ns = net::Loop::now_ns();
  }
}

void Client::read_more() {
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    const int64_t now = net::Loop::now_ns();
    std::vector<wire::Message> messages;
    if (n <= 0) {
      const std::string why = n == 0 ? "closed" : std::strerror(errno);
      codec_->finish(Dir::kResponse, now, messages);
      take(messages);
      return closed("the subject's connection was " + why + " before the answer was complete");
    }
    if (exchange_.first_ns == 0) exchange_.first_ns = now;
    // A server that writes head and body apart would wait 40 ms for a delayed acknowledgement.
    const int one = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
    received_.append(buffer, static_cast<size_t>(n));
    codec_->feed(Dir::kResponse, ByteView(buffer, static_cast<size_t>(n)), now, messages);
    take(messages);
    if (!over() && protocol_ == wire::Protocol::kRaw) {
      exchange_.answer = received_;
      if (received_.size() >= raw_size_) {
        exchange_.done_ns = now;
        exchange_.state = State::kAnswered;
      }
    }
    if (!over() && codec_->fault()) {
      exchange_.answer = received_;
      return closed("the answer cannot be framed: " + codec_->fault()->reason);
    }
  }
}

void Client::take(std::vector<wire::Message>& messages) {
  for (wire::Message& m : messages) {
    if (m.dir == Dir::kResponse && over()) exchange_.unasked = true;
    if (m.dir != Dir::kResponse || over()) continue;
    if (m.role == wire::Role::kInterim) {
      exchange_.interim += m.bytes;
    } else if (m.role == wire::Role::kAnswer) {
      exchange_.answer = std::move(m.bytes);
      exchange_.answer_size = m.end - m.begin;
      exchange_.answer_digest = std::move(m.digest);
      exchange_.done_ns = net::Loop::now_ns();
      exchange_.state = m.incomplete ? State::kClosed : State::kAnswered;
      if (m.incomplete) exchange_.reason = "the answer was cut";
    }
  }
}

void Client::closed(std::string reason) {
  usable_ = false;
  loop_.remove(fd_.get());
  if (over()) return;
  exchange_.done_ns = net::Loop::now_ns();
  exchange_.reason = std::move(reason);
  exchange_.state = State::kClosed;
  if (exchange_.answer.empty()) exchange_.answer = received_;
}

}  // namespace reprise::drive
