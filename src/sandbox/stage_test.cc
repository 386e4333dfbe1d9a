// A stage around real programs. Every wait is a poll with a deadline.
#include "sandbox/stage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "sandbox/sockets.h"

namespace reprise::sandbox {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// Opens a stage or skips the test, saying why.
#define OPEN_STAGE(name, config)                                               \
  auto name##_result = Stage::open(config);                                    \
  if (!name##_result && name##_result.error().kind == ErrorKind::kEnvironment) \
    GTEST_SKIP() << name##_result.error().message;                             \
  ASSERT_TRUE(name##_result) << name##_result.error().message;                 \
  auto name = std::move(*name##_result)

bool within(std::chrono::milliseconds limit, const std::function<bool()>& true_) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!true_()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string read_for(int fd, const std::string& until, std::chrono::milliseconds limit = 5s) {
  std::string out;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (out.find(until) == out.npos && std::chrono::steady_clock::now() < deadline) {
    pollfd p{fd, POLLIN, 0};
    if (poll(&p, 1, 100) <= 0) continue;
    char chunk[4096];
    const ssize_t n = recv(fd, chunk, sizeof chunk, 0);
    if (n <= 0) break;
    out.append(chunk, static_cast<size_t>(n));
  }
  return out;
}

Result<Fd> accept_one(int listener, std::chrono::milliseconds limit = 5s) {
  pollfd p{listener, POLLIN, 0};
  if (poll(&p, 1, static_cast<int>(limit.count())) <= 0) return fail("nobody came");
  return Fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
}

class StageTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/reprise-stage-XXXXXX";
    folder_ = mkdtemp(name);
    fs::permissions(folder_, fs::perms::all);
  }
  void TearDown() override { fs::remove_all(folder_); }

  StageConfig config(std::vector<std::string> argv) const {
    StageConfig c;
    c.argv = std::move(argv);
    c.env = {{"PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}, {"HOME", "/"}};
    c.stdout_path = folder_ / "out";
    c.stderr_path = folder_ / "out";
    c.mode = StageMode::kNamespaces;
    return c;
  }
  static StageConfig shell(StageConfig c, const std::string& script) {
    c.argv = {"/bin/bash", "-c", script};
    return c;
  }
  StageConfig shell(const std::string& script) const { return shell(config({}), script); }
  std::string output() const { return read_file(folder_ / "out"); }
  static bool finishes(Stage& stage) {
    return within(10s, [&] { return stage.exited().has_value(); });
  }
  static bool has_program(const char* path) { return access(path, X_OK) == 0; }

  fs::path folder_;
};

TEST_F(StageTest, RunsAProgramAndTellsHowItEnded) {
  OPEN_STAGE(stage, shell("echo hello; exit 7"));
  EXPECT_FALSE(stage->alive());
  ASSERT_TRUE(stage->start());
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(stage->exited()->code, 7);
  EXPECT_EQ(output(), "hello\n");
  EXPECT_FALSE(stage->alive());
}

TEST_F(StageTest, AProgramThatIsNotThereIsAnError) {
  OPEN_STAGE(stage, config({"/no/such/program"}));
  auto started = stage->start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, testing::HasSubstr("/no/such/program"));
}

TEST_F(StageTest, WritesStayInside) {
  const fs::path inside = folder_ / "written";
  OPEN_STAGE(stage, shell("echo x > " + inside.string() + " && cat " + inside.string() +
                          "; echo y > /run/reprise-was-here; cat /run/reprise-was-here"));
  ASSERT_TRUE(stage->start());
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(output(), "x\ny\n");
  EXPECT_FALSE(fs::exists(inside));
  EXPECT_FALSE(fs::exists("/run/reprise-was-here"));
}

TEST_F(StageTest, AnOutboundConnectionComesToTheMockWithItsDestination) {
  OPEN_STAGE(stage, shell("exec 3<>/dev/tcp/10.9.8.7/3306; read -u3 line; echo \"got $line\""));
  ASSERT_TRUE(stage->start());
  auto accepted = accept_one(stage->tcp_listener());
  ASSERT_TRUE(accepted) << output();
  EXPECT_EQ(to_string(*stage->original_destination(accepted->get())), "10.9.8.7:3306");
  ASSERT_EQ(write(accepted->get(), "hi\n", 3), 3);
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(output(), "got hi\n");
}

TEST_F(StageTest, IPv6ToTheMock) {
  OPEN_STAGE(stage, shell("exec 3<>/dev/tcp/2001:db8::99/443; echo hi >&3"));
  if (stage->tcp6_listener() < 0) GTEST_SKIP() << "no IPv6 inside";
  ASSERT_TRUE(stage->start());
  auto accepted = accept_one(stage->tcp6_listener());
  ASSERT_TRUE(accepted) << output();
  EXPECT_EQ(to_string(*stage->original_destination(accepted->get())), "[2001:db8::99]:443");
}

// A server in the subject that answers each connection with the peer that it sees.
std::string python_server(const std::string& ip, int port) {
  return "exec python3 -u -c '\nimport socket\ns = socket.create_server((\"" + ip + "\", " +
         std::to_string(port) +
         "))\nwhile True:\n  c, a = s.accept()\n"
         "  c.sendall((\"%s %s %s\\n\" % (a[0], a[1], c.getsockname()[0])).encode())\n  "
         "c.close()\n'";
}

TEST_F(StageTest, TheDriverComesFromTheRecordedClientAddress) {
  StageConfig c = shell(python_server("0.0.0.0", 80));
  c.local_ips = {"10.1.2.3"};
  OPEN_STAGE(stage, c);
  ASSERT_TRUE(stage->start());
  ASSERT_TRUE(within(10s, [&] { return !stage->listening()->empty(); })) << output();
  EXPECT_EQ(to_string(stage->listening()->at(0)), "0.0.0.0:80");
  const Address server = *parse_address("10.1.2.3:80"), client = *parse_address("203.0.113.9:4711");
  for (int i = 0; i < 3; ++i) {  // again, although the first one's port is in TIME_WAIT
    auto fd = stage->connect(server, client, 2s);
    ASSERT_TRUE(fd) << fd.error().message;
    const Fd owner(*fd);
    EXPECT_THAT(read_for(*fd, "\n"), testing::StartsWith("203.0.113.9 "));
  }
  auto plain = stage->connect(*parse_address("127.0.0.1:80"), {}, 2s);
  ASSERT_TRUE(plain);
  const Fd owner(*plain);
  EXPECT_THAT(read_for(*plain, "\n"), testing::EndsWith("127.0.0.1\n"));
  EXPECT_FALSE(stage->connect(*parse_address("127.0.0.1:81"), {}, 2s));
}

TEST_F(StageTest, TwoLanesListenOnTheSamePort) {
  OPEN_STAGE(one, shell(python_server("127.0.0.1", 8080)));
  OPEN_STAGE(two, shell(python_server("127.0.0.1", 8080)));
  for (Stage* stage : {one.get(), two.get()}) {
    ASSERT_TRUE(stage->start());
    ASSERT_TRUE(within(10s, [&] { return !stage->listening()->empty(); })) << output();
    auto fd = stage->connect(*parse_address("127.0.0.1:8080"), {}, 2s);
    ASSERT_TRUE(fd) << fd.error().message;
    ::close(*fd);
  }
}

TEST_F(StageTest, LoopbackIsRealUnlessRecordedAsADependency) {
  StageConfig c = shell(
      "python3 -c 'import socket,time\n"
      "s=socket.create_server((\"127.0.0.1\",7000))\n"
      "c=socket.create_connection((\"127.0.0.1\",7000)); a,_=s.accept(); a.sendall(b\"own\")\n"
      "print(c.recv(9).decode())\n"
      "try: socket.create_connection((\"127.0.0.1\",7001))\n"
      "except ConnectionRefusedError: print(\"refused\")\n"
      "print(socket.create_connection((\"10.0.0.5\",6379)).recv(9).decode())\n'");
  c.local_ips = {"10.0.0.5"};
  c.recorded_dependencies = {*parse_address("10.0.0.5:6379")};
  OPEN_STAGE(stage, c);
  ASSERT_TRUE(stage->start());
  auto accepted = accept_one(stage->tcp_listener());
  ASSERT_TRUE(accepted) << output();
  EXPECT_EQ(to_string(*stage->original_destination(accepted->get())), "10.0.0.5:6379");
  ASSERT_EQ(write(accepted->get(), "mock", 4), 4);
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(output(), "own\nrefused\nmock\n");
}

TEST_F(StageTest, ARecordedRefusalIsRefusedAndTheSetFollowsTheSession) {
  StageConfig c = shell(
      "try() { (exec 3<>/dev/tcp/$1/$2) 2>&1 | grep -q refused && echo refused || echo open; }\n"
      "try 10.5.5.5 80; try 10.5.5.6 80; read; try 10.5.5.5 80; try 10.5.5.6 80");
  const size_t at = c.argv[2].find("read;");
  c.argv[2].replace(at, 5, "read < /dev/tcp/10.7.7.7/7;");
  c.refused = {*parse_address("10.5.5.5:80")};
  OPEN_STAGE(stage, c);
  ASSERT_TRUE(stage->start());
  std::vector<std::string> seen;
  Result<Fd> gate = fail("");
  for (int i = 0; i < 2; ++i) {
    gate = accept_one(stage->tcp_listener());
    ASSERT_TRUE(gate) << output();
    seen.push_back(to_string(*stage->original_destination(gate->get())));
  }
  EXPECT_THAT(seen, testing::ElementsAre("10.5.5.6:80", "10.7.7.7:7"));
  std::vector<Address> many;
  for (int i = 0; i < 1000; ++i)
    many.push_back(*parse_address(fmt::format("10.6.{}.{}:9", i / 250, i % 250)));
  ASSERT_TRUE(stage->set_refused(many));
  auto changed =
      stage->set_refused({*parse_address("10.5.5.6:80"), *parse_address("[2001:db8::1]:1")});
  ASSERT_TRUE(changed) << changed.error().message;
  ASSERT_EQ(write(gate->get(), "\n", 1), 1);
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(output(), "refused\nopen\nopen\nrefused\n");
}

TEST_F(StageTest, NamesAreAskedOfTheMock) {
  // AI_ADDRCONFIG, as curl and Node: glibc drops every answer if lo has only loopback addresses.
  OPEN_STAGE(stage, shell("python3 -c 'import socket\n"
                          "print(socket.getaddrinfo(\"db.internal\", 80, type=socket.SOCK_STREAM, "
                          "flags=socket.AI_ADDRCONFIG)[0][4][0])'"));
  ASSERT_TRUE(stage->start());
  pollfd p{stage->dns_socket(), POLLIN, 0};
  ASSERT_EQ(poll(&p, 1, 10'000), 1) << output();
  char query[512];
  sockaddr_storage from;
  socklen_t size = sizeof from;
  const ssize_t n = recvfrom(stage->dns_socket(), query, sizeof query, 0,
                             reinterpret_cast<sockaddr*>(&from), &size);
  ASSERT_GT(n, 12);
  // The question again, and one answer: the name at offset 12, A, IN, 60 s, 10.20.30.40.
  std::string answer(query, static_cast<size_t>(n));
  const size_t end = answer.find('\0', 12) + 5;
  answer.resize(end);
  answer[2] = '\x81', answer[3] = '\x80', answer[7] = 1, answer[11] = 0;
  answer += std::string("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\x14\x1e\x28", 16);
  ASSERT_GT(sendto(stage->dns_socket(), answer.data(), answer.size(), 0,
                   reinterpret_cast<sockaddr*>(&from), size),
            0);
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(output(), "10.20.30.40\n");
}

TEST_F(StageTest, RecordedUdpHasASocketAndTheRestIsALeak) {
  StageConfig c = shell(
      "python3 -u -c 'import socket\n"
      "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.sendto(b\"ask\",(\"10.3.3.3\",8125))\n"
      "print(*s.recvfrom(99))\n"
      "t=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); t.connect((\"8.8.4.4\",123)); "
      "t.send(b\"x\")\n"
      "try: t.recv(9)\n"
      "except ConnectionRefusedError: print(\"refused\")\n'; ping -c1 -W1 9.9.9.9 >/dev/null 2>&1; "
      "true");
  c.recorded_udp = {*parse_address("10.3.3.3:8125")};
  OPEN_STAGE(stage, c);
  ASSERT_TRUE(stage->start());
  ASSERT_EQ(stage->udp_sockets().size(), 1u);
  const int fd = stage->udp_sockets()[0].second;
  pollfd p{fd, POLLIN, 0};
  ASSERT_EQ(poll(&p, 1, 10'000), 1) << output();
  char bytes[64];
  sockaddr_storage from;
  socklen_t size = sizeof from;
  ASSERT_EQ(recvfrom(fd, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from), &size), 3);
  ASSERT_EQ(sendto(fd, "told", 4, 0, reinterpret_cast<sockaddr*>(&from), size), 4);
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(output(), "b'told' ('10.3.3.3', 8125)\nrefused\n");
  EXPECT_THAT(stage->leaks(), testing::Contains(Leak{*parse_address("8.8.4.4:123"), "udp"}));
  if (has_program("/bin/ping") || has_program("/usr/bin/ping")) {
    EXPECT_THAT(stage->leaks(), testing::Contains(Leak{*parse_address("9.9.9.9:0"), "icmp"}));
  }
}

TEST_F(StageTest, UnixPathsOfTheMockAndOfTheSubject) {
  StageConfig c = shell(
      "python3 -u -c 'import socket\n"
      "for p in \"/run/reprise-none/db.sock\", \"\\0reprise-abstract\":\n"
      "  c=socket.socket(socket.AF_UNIX); c.connect(p); print(c.recv(9).decode())\n"
      "s=socket.socket(socket.AF_UNIX); s.bind(\"/tmp/own.sock\"); s.listen()\n"
      "a,_=s.accept(); a.sendall(b\"hello\"); a.recv(9)\n'");
  c.unix_dependencies = {"/run/reprise-none/db.sock", "@reprise-abstract"};
  OPEN_STAGE(stage, c);
  ASSERT_TRUE(stage->start());
  ASSERT_EQ(stage->unix_listeners().size(), 2u) << stage->notes().size();
  for (const auto& [path, fd] : stage->unix_listeners()) {
    auto accepted = accept_one(fd);
    ASSERT_TRUE(accepted) << path << output();
    ASSERT_EQ(write(accepted->get(), "mock", 4), 4);
  }
  ASSERT_TRUE(within(10s, [&] { return !stage->listening()->empty(); })) << output();
  EXPECT_EQ(to_string(stage->listening()->at(0)), "unix:/tmp/own.sock");
  auto fd = stage->connect(unix_address("/tmp/own.sock"), {}, 2s);
  ASSERT_TRUE(fd) << fd.error().message;
  const Fd owner(*fd);
  EXPECT_EQ(read_for(*fd, "hello"), "hello");
  EXPECT_EQ(output(), "mock\nmock\n");
  EXPECT_FALSE(fs::exists("/run/reprise-none"));
}

TEST_F(StageTest, UnixSocketsOfTheMachineAreNotReached) {
  const Address path = unix_address(folder_ / "machine.sock");
  auto listener = bound_socket(path, SOCK_STREAM);
  ASSERT_TRUE(listener);
  OPEN_STAGE(stage, shell("python3 -c 'import socket\n"
                          "s = socket.socket(socket.AF_UNIX)\n"
                          "try: s.connect(\"" +
                          path.ip_or_path +
                          "\"); print(\"reached\")\n"
                          "except ConnectionRefusedError: print(\"refused\")\n'"));
  ASSERT_TRUE(stage->start());
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(output(), "refused\n");
}

TEST_F(StageTest, WithoutAnOverlayItSaysSo) {
  StageConfig c = shell("echo real > " + (folder_ / "real").string());
  c.overlay = false;
  OPEN_STAGE(stage, c);
  EXPECT_THAT(stage->notes(), testing::Contains(testing::HasSubstr("no private file system")));
  ASSERT_TRUE(stage->start());
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(read_file(folder_ / "real"), "real\n");
}

TEST_F(StageTest, ARealUnixSocketIsCoveredAndNotTouched) {
  const std::string real = folder_ / "real.sock";
  auto listener = bound_socket(unix_address(real), SOCK_STREAM);
  ASSERT_TRUE(listener);
  struct stat before, after;
  ASSERT_EQ(stat(real.c_str(), &before), 0);
  fs::create_directory(folder_ / "empty");
  const std::string fresh = folder_ / "empty/new.sock";
  StageConfig c = shell(
      "python3 -c 'import socket\n"
      "for p in \"" +
      real + "\", \"" + fresh +
      "\":\n"
      "  s = socket.socket(socket.AF_UNIX); s.connect(p)\n"
      "  print(s.recv(9).decode())\n'");
  c.overlay = false;
  c.unix_dependencies = {real, fresh};
  OPEN_STAGE(stage, c);
  ASSERT_TRUE(stage->start());
  for (const auto& [path, fd] : stage->unix_listeners()) {
    auto accepted = accept_one(fd);
    ASSERT_TRUE(accepted) << path << output();
    ASSERT_EQ(write(accepted->get(), "mock", 4), 4);
  }
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(output(), "mock\nmock\n");
  stage->stop();
  ASSERT_EQ(stat(real.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_TRUE(fs::is_empty(folder_ / "empty"));
}

TEST_F(StageTest, KeepsAndHidesWhatItIsTold) {
  std::ofstream(folder_ / "secret") << "s";
  fs::create_directory(folder_ / "data");
  fs::permissions(folder_ / "data", fs::perms::all);
  StageConfig c = shell("cd " + folder_.string() + "; cat secret; echo z > data/kept; echo end");
  c.keep_writable = {folder_ / "data"};
  c.hide = {folder_ / "secret"};
  OPEN_STAGE(stage, c);
  ASSERT_TRUE(stage->start());
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(output(), "end\n");
  EXPECT_EQ(read_file(folder_ / "data/kept"), "z\n");
}

// The pids of processes whose command line holds `text`.
std::vector<pid_t> processes_with(const std::string& text) {
  std::vector<pid_t> out;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0 && read_file(entry.path() / "cmdline").find(text) != std::string::npos)
      out.push_back(pid);
  }
  return out;
}

TEST_F(StageTest, StopEndsDaemonsAndStubbornProcesses) {
  const std::string mark = "reprise-mark-" + std::to_string(getpid());
  OPEN_STAGE(stage, shell("(trap '' TERM; setsid bash -c 'sleep 1000; : " + mark +
                          "') & (exec -a " + mark + " sleep 1000) & sleep 0.01; exit 0"));
  ASSERT_TRUE(stage->start());
  ASSERT_TRUE(finishes(*stage));
  EXPECT_TRUE(stage->alive());
  EXPECT_GE(processes_with(mark).size(), 2u);
  stage->stop(300ms);
  EXPECT_THAT(processes_with(mark), testing::IsEmpty());
  EXPECT_FALSE(stage->alive());
  EXPECT_FALSE(stage->connect(*parse_address("127.0.0.1:80"), {}, 1s));
}

TEST_F(StageTest, NothingIsLeftWhenTheCallerIsKilled) {
  const std::string mark = "reprise-orphan-" + std::to_string(getpid());
  const pid_t caller = fork();
  if (caller == 0) {
    auto stage = Stage::open(shell("exec -a " + mark + " sleep 1000"));
    if (!stage || !(*stage)->start()) _exit(1);
    pause();
  }
  const bool seen = within(10s, [&] { return !processes_with(mark).empty(); });
  kill(caller, SIGKILL);
  waitpid(caller, nullptr, 0);
  if (!seen) GTEST_SKIP() << "no stage here";
  EXPECT_TRUE(within(5s, [&] { return processes_with(mark).empty(); }));
}

std::string http_get(Stage& stage, const Address& to) {
  auto fd = stage.connect(to, {}, 2s);
  if (!fd) return fd.error().message;
  const Fd owner(*fd);
  const std::string request = "GET / HTTP/1.0\r\n\r\n";
  if (send(*fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return "not sent";
  return read_for(*fd, "</html>");
}

TEST_F(StageTest, NginxAsADaemonWithItsOwnUser) {
  if (!has_program("/usr/sbin/nginx")) GTEST_SKIP() << "nginx is not installed";
  if (geteuid() != 0) GTEST_SKIP() << "nginx changes its user: needs root";
  // Its own configuration of the machine: pid file in /run, logs in /var/log, user www-data.
  OPEN_STAGE(stage, config({"nginx"}));
  ASSERT_TRUE(stage->start());
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(stage->exited()->code, 0) << output();
  EXPECT_TRUE(stage->alive());
  ASSERT_TRUE(within(10s, [&] { return !stage->listening()->empty(); })) << output();
  EXPECT_THAT(http_get(*stage, *parse_address("127.0.0.1:80")), testing::HasSubstr("200 OK"));
  stage->stop();
}

TEST_F(StageTest, AnOrdinaryUserMayLookLikeRootInside) {
  if (geteuid() == 0) GTEST_SKIP() << "for an ordinary user";
  StageConfig c = shell("id -u; echo x > /run/own && cat /run/own");
  c.fake_root = true;
  OPEN_STAGE(stage, c);
  ASSERT_TRUE(stage->start());
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(output(), "0\nx\n");
}

TEST_F(StageTest, RedisInEachOfTwoLanes) {
  if (!has_program("/usr/bin/redis-server")) GTEST_SKIP() << "redis-server is not installed";
  const StageConfig c = config({"redis-server", "--bind", "127.0.0.1", "--daemonize", "yes",
                                "--pidfile", "/run/reprise-redis.pid", "--dir", "/tmp",
                                "--unixsocket", "/run/reprise-redis.sock"});
  OPEN_STAGE(one, c);
  OPEN_STAGE(two, c);
  for (Stage* stage : {one.get(), two.get()}) {
    ASSERT_TRUE(stage->start());
    const Address tcp = *parse_address("127.0.0.1:6379");
    const Address path = unix_address("/run/reprise-redis.sock");
    ASSERT_TRUE(within(10s, [&] { return stage->listening()->size() >= 2; })) << output();
    EXPECT_THAT(*stage->listening(), testing::UnorderedElementsAre(tcp, path));
    for (const Address& to : {tcp, path}) {
      auto fd = stage->connect(to, {}, 2s);
      ASSERT_TRUE(fd) << fd.error().message;
      const Fd owner(*fd);
      ASSERT_GT(send(*fd, "INCR lane\r\n", 11, MSG_NOSIGNAL), 0);
      EXPECT_EQ(read_for(*fd, "\n"), to == tcp ? ":1\r\n" : ":2\r\n");
    }
  }
}

TEST_F(StageTest, PhpFpmBehindAUnixListener) {
  if (!has_program("/usr/sbin/php-fpm8.2")) GTEST_SKIP() << "php-fpm8.2 is not installed";
  if (geteuid() != 0) GTEST_SKIP() << "php-fpm changes its user: needs root";
  std::ofstream(folder_ / "fpm.conf")
      << "[global]\nerror_log=/dev/stderr\n[www]\nuser=www-data\ngroup=www-data\n"
         "listen=/run/php/reprise-test.sock\npm=static\npm.max_children=2\n";
  OPEN_STAGE(stage, config({"php-fpm8.2", "-F", "-y", folder_ / "fpm.conf"}));
  ASSERT_TRUE(stage->start());
  ASSERT_TRUE(within(10s, [&] { return !stage->listening()->empty(); })) << output();
  auto fd = stage->connect(unix_address("/run/php/reprise-test.sock"), {}, 2s);
  ASSERT_TRUE(fd) << fd.error().message;
  const Fd owner(*fd);
  // FastCGI: begin request 1 as a responder, no parameters, no input.
  const std::string request("\1\1\0\1\0\x8\0\0\0\1\0\0\0\0\0\0\1\4\0\1\0\0\0\0\1\5\0\1\0\0\0\0",
                            32);
  ASSERT_GT(send(*fd, request.data(), request.size(), MSG_NOSIGNAL), 0);
  EXPECT_THAT(read_for(*fd, "\r\n\r\n"), testing::HasSubstr("Content-type: text/html"));
  stage->stop();
  EXPECT_FALSE(fs::exists("/run/php/reprise-test.sock"));
}

class StageClockTest : public StageTest {
 protected:
  // Empty where the library is not built (sanitizers).
  static std::string library() {
    const fs::path path =
        fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "lib/libreprise-stage.so";
    return fs::exists(path) ? path.string() : "";
  }
  // Runs `script` with the clock `hours` in the past.
  void run_in_the_past(const std::string& script, int hours) {
    StageConfig c = shell(script);
    c.stage_library = library();
    if (c.stage_library.empty()) GTEST_SKIP() << "libreprise-stage.so is not built here";
    OPEN_STAGE(stage, c);
    stage->set_clock_offset(-int64_t{hours} * 3600 * 1'000'000'000);
    ASSERT_TRUE(stage->start());
    ASSERT_TRUE(finishes(*stage));
  }
  std::vector<double> numbers() const {
    std::istringstream in(output());
    std::vector<double> out;
    for (double d; in >> d;) out.push_back(d);
    return out;
  }
};

TEST_F(StageClockTest, EveryWallClockIsShiftedAndNoOther) {
  timespec mono;
  clock_gettime(CLOCK_MONOTONIC, &mono);
  const double now = static_cast<double>(::time(nullptr));
  run_in_the_past(
      "date +%s; python3 -c 'import time; print(time.time(), time.monotonic())'; "
      "env -i perl -e 'print time, \"\\n\"'",
      100);
  if (IsSkipped()) return;
  const auto n = numbers();
  ASSERT_EQ(n.size(), 4u) << output();
  for (const size_t i : {0, 1, 3}) EXPECT_NEAR(n[i], now - 360'000, 10) << i << output();
  EXPECT_NEAR(n[2], static_cast<double>(mono.tv_sec), 10);
}

TEST_F(StageClockTest, WaitsUntilAWallClockTimeTakeAsLongAsTheyShould) {
  run_in_the_past(
      "python3 -c '\nimport ctypes, time\n"
      "class T(ctypes.Structure): _fields_ = [(\"s\", ctypes.c_long), (\"n\", ctypes.c_long)]\n"
      "libc = ctypes.CDLL(None)\n"
      "def until():\n  t = time.time() + 0.1\n  return ctypes.byref(T(int(t), int(t % 1 * 1e9)))\n"
      "def timed(f):\n  a = time.monotonic(); f(); print(time.monotonic() - a)\n"
      "sem = ctypes.create_string_buffer(64); libc.sem_init(sem, 0, 0)\n"
      "timed(lambda: libc.sem_timedwait(sem, until()))\n"
      "c = ctypes.create_string_buffer(64); m = ctypes.create_string_buffer(64)\n"
      "libc.pthread_mutex_lock(m)\n"
      "timed(lambda: libc.pthread_cond_timedwait(c, m, until()))\n"
      "timed(lambda: libc.clock_nanosleep(0, 1, until(), None))\n"
      "class I(ctypes.Structure): _fields_ = [(\"i\", T), (\"v\", T)]\n"
      "import os\nfd = libc.timerfd_create(0, 0); t = time.time() + 0.1\n"
      "timed(lambda: (libc.timerfd_settime(fd, 1, ctypes.byref(I(T(0, 0), T(int(t), "
      "int(t % 1 * 1e9)))), None), os.read(fd, 8)))\n'",
      -100);
  if (IsSkipped()) return;
  const auto n = numbers();
  ASSERT_EQ(n.size(), 4u) << output();
  for (const double d : n) EXPECT_TRUE(d > 0.08 && d < 5) << output();
}

TEST_F(StageClockTest, FilesOfTheStageAgeByItsClockAndOthersKeepTheirTimes) {
  struct stat passwd;
  ASSERT_EQ(stat("/etc/passwd", &passwd), 0);
  run_in_the_past(
      "python3 -c 'import os, time\nopen(\"/tmp/x\",\"w\").write(\"x\")\n"
      "print(time.time() - os.stat(\"/tmp/x\").st_mtime)\n"
      "t = time.time() - 5; os.utime(\"/tmp/x\", (t, t)); print(os.stat(\"/tmp/x\").st_mtime - t)\n"
      "print(os.stat(\"/etc/passwd\").st_mtime)'",
      100);
  if (IsSkipped()) return;
  const auto n = numbers();
  ASSERT_EQ(n.size(), 3u) << output();
  EXPECT_NEAR(n[0], 0, 5);
  EXPECT_NEAR(n[2], static_cast<double>(passwd.st_mtime), 2);
}

class PreloadStageTest : public StageClockTest {
 protected:
  StageConfig preload(const std::string& script) const {
    StageConfig c = shell(script);
    c.mode = StageMode::kPreload;
    c.stage_library = library();
    return c;
  }
  void SetUp() override {
    StageTest::SetUp();
    if (library().empty()) GTEST_SKIP() << "libreprise-stage.so is not built here";
  }
};

TEST_F(PreloadStageTest, TheMockHearsWhereAConnectionWantedToGo) {
  StageConfig c = preload(
      "env -i python3 -u -c 'import socket\n"
      "def ask(a, f=socket.AF_INET):\n"
      "  s = socket.socket(f); s.connect(a); print(s.getpeername()[0], s.recv(9).decode())\n"
      "ask((\"10.9.8.7\", 3306))\n"
      "ask((\"::ffff:10.9.8.6\", 3307), socket.AF_INET6)\n"
      "ask((\"127.0.0.1\", 6379))\n"
      "for a in (\"10.1.1.1\", 81), (\"127.0.0.1\", 1):\n"
      "  try: ask(a)\n"
      "  except ConnectionRefusedError: print(\"refused\")\n"
      "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
      "try: u.sendto(b\"x\", (\"8.8.8.8\", 123))\n"
      "except OSError as e: print(e.strerror)\n'");
  c.recorded_dependencies = {*parse_address("127.0.0.1:6379")};
  c.refused = {*parse_address("10.1.1.1:81")};
  OPEN_STAGE(stage, c);
  EXPECT_EQ(stage->mode(), "preload");
  EXPECT_FALSE(stage->notes().empty());
  ASSERT_TRUE(stage->start());
  for (const char* expected : {"10.9.8.7:3306", "10.9.8.6:3307", "127.0.0.1:6379"}) {
    auto accepted = accept_one(stage->tcp_listener());
    ASSERT_TRUE(accepted) << output();
    auto destination = stage->original_destination(accepted->get());
    ASSERT_TRUE(destination) << destination.error().message;
    EXPECT_EQ(to_string(*destination), expected);
    ASSERT_EQ(write(accepted->get(), "mock", 4), 4);
  }
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(output(),
            "10.9.8.7 mock\n::ffff:10.9.8.6 mock\n127.0.0.1 mock\nrefused\nrefused\n"
            "Network is unreachable\n");
}

TEST_F(PreloadStageTest, NamesGoToTheMock) {
  OPEN_STAGE(stage, preload("python3 -c 'import socket; socket.gethostbyname(\"db.internal\")'; "
                            "getent hosts other.internal"));
  ASSERT_TRUE(stage->start());
  pollfd p{stage->dns_socket(), POLLIN, 0};
  ASSERT_EQ(poll(&p, 1, 10'000), 1) << output();
  char query[512];
  const ssize_t n = recv(stage->dns_socket(), query, sizeof query, 0);
  EXPECT_THAT(std::string(query, static_cast<size_t>(n)), testing::HasSubstr("\2db\x8internal"));
}

TEST_F(PreloadStageTest, UnixPathsClockListenersAndDaemons) {
  StageConfig c = preload(
      "python3 -u -c 'import socket, os, time\n"
      "s=socket.socket(socket.AF_UNIX); s.connect(\"/run/reprise-none/db.sock\")\n"
      "print(s.recv(9).decode(), int(time.time()) < 100000000)\n"
      "l=socket.create_server((\"127.0.0.1\",0))\n"
      "if os.fork() == 0:\n"
      "  os.setsid()\n"
      "  a,_=l.accept(); a.sendall(b\"hello\"); time.sleep(1000)\n'");
  c.unix_dependencies = {"/run/reprise-none/db.sock"};
  OPEN_STAGE(stage, c);
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  stage->set_clock_offset(-now.tv_sec * 1'000'000'000);
  ASSERT_TRUE(stage->start());
  auto accepted = accept_one(stage->unix_listeners().at(0).second);
  ASSERT_TRUE(accepted) << output();
  ASSERT_EQ(write(accepted->get(), "mock", 4), 4);
  ASSERT_TRUE(finishes(*stage));
  EXPECT_EQ(output(), "mock True\n");
  EXPECT_TRUE(stage->alive());  // the daemon
  auto listening = stage->listening();
  ASSERT_EQ(listening->size(), 1u);
  auto fd = stage->connect(listening->at(0), {}, 2s);
  ASSERT_TRUE(fd) << fd.error().message;
  const Fd owner(*fd);
  EXPECT_EQ(read_for(*fd, "hello"), "hello");
  stage->stop(500ms);
  EXPECT_FALSE(stage->alive());
}

TEST_F(PreloadStageTest, NothingIsLeftWhenTheCallerIsKilled) {
  const std::string mark = "reprise-preload-" + std::to_string(getpid());
  const pid_t caller = fork();
  if (caller == 0) {
    auto stage =
        Stage::open(preload("(setsid bash -c 'exec -a " + mark + " sleep 1000' &) ; sleep 1000"));
    if (!stage || !(*stage)->start()) _exit(1);
    pause();
  }
  const bool seen = within(10s, [&] { return !processes_with(mark).empty(); });
  kill(caller, SIGKILL);
  waitpid(caller, nullptr, 0);
  EXPECT_TRUE(seen);
  EXPECT_TRUE(within(5s, [&] { return processes_with(mark).empty(); }));
}

}  // namespace
}  // namespace reprise::sandbox
