// Sends one request at a fixed rate, open loop, over a number of kept connections, and prints the latencies.
//   paced_load PORT RATE SECONDS CONNECTIONS REQUEST      (\r and \n in REQUEST as written)
// A request is due at its place in the schedule. Its latency counts from there, also when no connection was free
// or this program was late: a stall of the server shows in full (no coordinated omission). Every answer must have
// as many bytes as the first.
// Prints: requests, p50, p90, p99, p99.9 and the largest, in nanoseconds, and the 99th percentile of being late.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct Connection {
  int fd;
  int64_t due = 0;
  size_t got = 0;
};

int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

int connect_to(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(static_cast<uint16_t>(port));
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0) die("connect");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

std::string unescaped(const std::string& s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    const bool escape = s[i] == '\\' && i + 1 < s.size() && (s[i + 1] == 'r' || s[i + 1] == 'n');
    out += escape ? (s[++i] == 'r' ? '\r' : '\n') : s[i];
  }
  return out;
}

// The size of an answer: what comes within 100 ms.
size_t learn(int fd, const std::string& request) {
  if (write(fd, request.data(), request.size()) < 0) die("write");
  const timeval patience = {0, 100000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char buffer[65536];
  size_t size = 0;
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) size += static_cast<size_t>(n);
  return size;
}

long long quantile(const std::vector<int64_t>& sorted, double q) {
  return sorted[static_cast<size_t>(q * double(sorted.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return std::fprintf(stderr, "paced_load PORT RATE SECONDS CONNECTIONS REQUEST\n"), 2;
  const int port = std::atoi(argv[1]);
  const double rate = std::atof(argv[2]);
  const auto total = static_cast<size_t>(rate * std::atof(argv[3]));
  const std::string request = unescaped(argv[5]);
  const int epoll = epoll_create1(0);
  std::vector<Connection> connections(static_cast<size_t>(std::atoi(argv[4])));
  std::vector<Connection*> idle;
  for (Connection& c : connections) {
    c.fd = connect_to(port);
    epoll_event e{EPOLLIN, {.ptr = &c}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c.fd, &e);
    idle.push_back(&c);
  }
  const int probe = connect_to(port);
  const size_t size = learn(probe, request);
  close(probe);
  if (size == 0) die("no answer");
  std::vector<int64_t> latencies, late;
  const int64_t start = now_ns() + 1000000;
  const auto due_at = [&](size_t i) { return start + static_cast<int64_t>(double(i) * 1e9 / rate); };
  epoll_event ready[64];
  char buffer[65536];
  for (size_t sent = 0; latencies.size() < total;) {
    int64_t now = now_ns();
    while (sent < total && !idle.empty() && due_at(sent) <= now) {
      Connection* c = idle.back();
      idle.pop_back();
      c->due = due_at(sent++);
      c->got = 0;
      late.push_back(now - c->due);
      if (write(c->fd, request.data(), request.size()) < 0) die("write");
      now = now_ns();
    }
    int64_t wait = sent < total && !idle.empty() ? std::max<int64_t>(due_at(sent) - now, 0) : 1000000000;
    const timespec patience = {wait / 1000000000, wait % 1000000000};
    const int n = epoll_pwait2(epoll, ready, 64, &patience, nullptr);
    for (int i = 0; i < n; ++i) {
      auto* c = static_cast<Connection*>(ready[i].data.ptr);
      const ssize_t got = read(c->fd, buffer, sizeof buffer);
      if (got <= 0) die("read");
      c->got += static_cast<size_t>(got);
      if (c->got < size) continue;
      latencies.push_back(now_ns() - c->due);
      idle.push_back(c);
    }
  }
  std::sort(latencies.begin(), latencies.end());
  std::sort(late.begin(), late.end());
  std::printf("%zu %lld %lld %lld %lld %lld %lld\n", total, quantile(latencies, 0.5), quantile(latencies, 0.9),
              quantile(latencies, 0.99), quantile(latencies, 0.999), quantile(latencies, 1), quantile(late, 0.99));
}
