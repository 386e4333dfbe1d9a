// A server of one thread that makes ten calls for each request (five HTTP, five Redis, one after the other, over
// connections that it keeps), the backend that answers them, and a driver that times requests.
//   ten_calls serve PORT HTTP_PORT REDIS_PORT      GET /N
//   ten_calls backend HTTP_PORT REDIS_PORT         answers depend on the question alone
//   ten_calls drive PORT COUNT                     prints the nanoseconds of each of /0 ... over one connection
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace {

constexpr int kPairs = 5;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_in loopback(int port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(static_cast<uint16_t>(port));
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

void no_delay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int listen_on(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in a = loopback(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0 || listen(fd, 64) != 0) die("listen");
  return fd;
}

int connect_to(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in a = loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0) die("connect");
  no_delay(fd);
  return fd;
}

// One connection, read by pieces that end with a given text.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  ~Peer() { close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void send_all(const std::string& s) {
    if (write(fd_, s.data(), s.size()) != static_cast<ssize_t>(s.size())) closed_ = true;
  }
  std::string up_to(const char* end) {
    size_t at;
    while ((at = in_.find(end)) == std::string::npos) {
      if (!more()) return {};
    }
    return take(at + std::strlen(end));
  }
  std::string exactly(size_t n) {
    while (in_.size() < n) {
      if (!more()) return {};
    }
    return take(n);
  }
  std::string http_answer() {
    const std::string head = up_to("\r\n\r\n");
    const size_t at = head.find("Content-Length: ");
    return at == std::string::npos ? std::string() : exactly(std::strtoul(head.c_str() + at + 16, nullptr, 10));
  }
  bool closed() const { return closed_; }

 private:
  bool more() {
    char buffer[4096];
    const ssize_t n = read(fd_, buffer, sizeof buffer);
    if (n <= 0) closed_ = true;
    if (n > 0) in_.append(buffer, static_cast<size_t>(n));
    return n > 0;
  }
  std::string take(size_t n) {
    std::string out = in_.substr(0, n);
    in_.erase(0, n);
    return out;
  }

  int fd_;
  std::string in_;
  bool closed_ = false;
};

// "/12" of "GET /12 HTTP/1.1".
std::string path_of(const std::string& head) {
  const size_t from = head.find(' ') + 1;
  return head.substr(from, head.find(' ', from) - from);
}

std::string http_200(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::string command(const std::string& key) {
  return "*2\r\n$3\r\nGET\r\n$" + std::to_string(key.size()) + "\r\n" + key + "\r\n";
}

template <class Each>
void accept_for_ever(int port, Each each) {
  const int listener = listen_on(port);
  for (;;) {
    const int fd = accept(listener, nullptr, nullptr);
    if (fd < 0) continue;
    no_delay(fd);
    each(fd);
  }
}

void serve(int port, int http_port, int redis_port) {
  Peer http(connect_to(http_port)), redis(connect_to(redis_port));
  accept_for_ever(port, [&](int fd) {
    Peer client(fd);
    for (;;) {
      const std::string head = client.up_to("\r\n\r\n");
      if (client.closed()) return;
      const std::string path = path_of(head);
      std::string body;
      for (int i = 0; i < kPairs; ++i) {
        http.send_all("GET /item" + path + "/" + std::to_string(i) + " HTTP/1.1\r\nHost: backend\r\n\r\n");
        body += http.http_answer().substr(0, 30) + "\n";
        redis.send_all(command("key" + path + ":" + std::to_string(i)));
        const std::string size = redis.up_to("\r\n");
        body += redis.exactly(std::strtoul(size.c_str() + 1, nullptr, 10) + 2);
      }
      client.send_all(http_200(body));
    }
  });
}

void backend(int http_port, int redis_port) {
  std::thread([http_port] {
    accept_for_ever(http_port, [](int fd) {
      std::thread([fd] {
        Peer client(fd);
        for (;;) {
          const std::string head = client.up_to("\r\n\r\n");
          if (client.closed()) return;
          client.send_all(http_200("item " + path_of(head) + std::string(200, 'i')));
        }
      }).detach();
    });
  }).detach();
  accept_for_ever(redis_port, [](int fd) {
    std::thread([fd] {
      Peer client(fd);
      for (;;) {
        std::string line;
        for (int i = 0; i < 5; ++i) line = client.up_to("\r\n");
        if (client.closed()) return;
        const std::string value = "value of " + line.substr(0, line.size() - 2);
        client.send_all("$" + std::to_string(value.size()) + "\r\n" + value + "\r\n");
      }
    }).detach();
  });
}

void drive(int port, int count) {
  Peer server(connect_to(port));
  for (int i = 0; i < count; ++i) {
    const std::string request = "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: subject\r\n\r\n";
    timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    server.send_all(request);
    if (server.http_answer().empty()) die("no answer");
    clock_gettime(CLOCK_MONOTONIC, &to);
    std::printf("%lld\n", (to.tv_sec - from.tv_sec) * 1000000000ll + to.tv_nsec - from.tv_nsec);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::string mode = argc > 1 ? argv[1] : "";
  const auto number = [&](int i) { return std::atoi(argv[i]); };
  if (mode == "serve" && argc == 5) serve(number(2), number(3), number(4));
  if (mode == "backend" && argc == 4) backend(number(2), number(3));
  if (mode == "drive" && argc == 4) return drive(number(2), number(3)), 0;
  std::fprintf(stderr, "ten_calls serve PORT HTTP REDIS | backend HTTP REDIS | drive PORT COUNT\n");
  return 2;
}
