// The dependency server: speaks every recorded protocol, asks the matcher, answers or refuses. It runs
// on the lane's loop, owns its connections, and never calls out of the stage.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "mock/book.h"
#include "mock/matcher.h"
#include "net/loop.h"
#include "wire/codec.h"

namespace reprise::mock {

// A call that was answered, refused or missed. operation is valid during the callback.
struct Served {
  wire::Protocol protocol = wire::Protocol::kUnknown;
  Address dependency;
  const wire::Operation* operation = nullptr;  // null if no request could be read
  Decision decision;
};

struct ServerStats {
  uint64_t connections = 0;
  uint64_t requests = 0;
  uint64_t one_way = 0;
  uint64_t names = 0;
};

class Server {
 public:
  using OnServed = std::function<void(const Served&)>;
  using Destination = std::function<Result<Address>(int fd)>;

  Server(net::Loop& loop, Matcher& matcher, const Book& book, OnServed on_served);
  ~Server();

  // fd: a listening, non-blocking socket that stays the caller's. destination tells where a connection
  // accepted from it wanted to go.
  Status serve(int fd, Destination destination);
  Status serve_dns(int fd);
  Status serve_datagrams(int fd, const Address& dependency);

  // The session's time now, for epochs; 0 = the wall clock.
  void set_clock_offset(int64_t offset_ns) { clock_offset_ns_ = offset_ns; }
  const ServerStats& stats() const { return stats_; }

 private:
  class Connection;
  void accept(int fd, const Destination& destination);
  void drop(int fd);
  void served(Served s) { on_served_(s); }
  int64_t now_ns() const;

  net::Loop& loop_;
  Matcher& matcher_;
  const Book& book_;
  const OnServed on_served_;
  std::vector<int> listening_;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  ServerStats stats_;
  int64_t clock_offset_ns_ = 0;
};

}  // namespace reprise::mock
