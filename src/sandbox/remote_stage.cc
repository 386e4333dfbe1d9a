#include "sandbox/remote_stage.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <mutex>
#include <thread>

#include "sandbox/channel.h"
#include "sandbox/config_codec.h"
#include "sandbox/keeper.h"
#include "sandbox/page.h"
#include "sandbox/sockets.h"

extern char** environ;

namespace reprise::sandbox {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kBuildTime{20'000}, kRequestTime{15'000};

// Out of the way of the numbers that the keeper expects.
Result<Fd> high(int fd) {
  Fd out(fcntl(fd, F_DUPFD_CLOEXEC, 16));
  if (!out) return fail_errno("stage: descriptor");
  return out;
}

Result<Fd> open_output(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd) return fail_errno("open " + path, {}, ErrorKind::kUsage);
  return high(fd.get());
}

class RemoteStage final : public Stage {
 public:
  ~RemoteStage() override { stop(milliseconds(2000)); }

  Status build(const StageConfig& config) {
    REPRISE_TRY(spawn_keeper(config));
    REPRISE_ASSIGN(Message ready, receive(channel_.get(), kBuildTime));
    if (ready.fields[0] != "ready" || ready.fields.size() < 3) return error_of(ready);
    kind_ = ready.fields[1];
    REPRISE_ASSIGN(notes_, unpack(ready.fields[2]));
    if (ready.fields.size() - 3 != ready.fds.size()) return fail("stage: sockets are missing");
    for (size_t i = 0; i < ready.fds.size(); ++i)
      REPRISE_TRY(take(ready.fields[i + 3], std::move(ready.fds[i])));
    return {};
  }

  std::string mode() const override { return is_preload() ? "preload" : kind_ + " namespaces"; }
  std::vector<std::string> notes() const override { return notes_; }
  int tcp_listener() const override { return tcp_.get(); }
  int tcp6_listener() const override { return tcp6_.get(); }
  int dns_socket() const override { return dns_.get(); }
  int dns6_socket() const override { return dns6_.get(); }
  std::vector<std::pair<Address, int>> udp_sockets() const override {
    std::vector<std::pair<Address, int>> out;
    for (const auto& [address, fd] : udp_) out.emplace_back(address, fd.get());
    return out;
  }
  std::vector<std::pair<std::string, int>> unix_listeners() const override {
    std::vector<std::pair<std::string, int>> out;
    for (const auto& [path, fd] : unix_) out.emplace_back(path, fd.get());
    return out;
  }
  Result<Address> original_destination(int accepted) const override {
    if (!is_preload()) return original_destination_by_nat(accepted);
    SockAddr peer;
    if (getpeername(accepted, peer.get(), peer.room()) != 0) return fail_errno("getpeername");
    REPRISE_ASSIGN(const Address from, from_sockaddr(peer.get(), peer.length()));
    return page_.origin(from.port);
  }

  Result<int> connect(const Address& to, const std::optional<Address>& from,
                      milliseconds timeout) override {
    if (to.family == Address::kUnix) return connect_unix(to.ip_or_path, timeout);
    REPRISE_ASSIGN(Fd fd, fresh_socket(to.family));
    REPRISE_ASSIGN(bool done, connect_socket(fd.get(), to, from, timeout));
    if (!done) {
      REPRISE_ASSIGN(fd, fresh_socket(to.family));
      const Address any_port{from->family, from->ip_or_path, 0};
      REPRISE_ASSIGN(done, connect_socket(fd.get(), to, any_port, timeout));
    }
    return fd.release();
  }

  Result<std::vector<Address>> listening() override {
    REPRISE_ASSIGN(Message reply, request({"listening"}));
    return addresses_of(Fields(reply.fields.begin() + 1, reply.fields.end()));
  }

  Status start() override {
    REPRISE_ASSIGN(Message reply, request({"start"}));
    if (reply.fds.empty()) return {};
    // "Pid:" is the number in our own PID namespace.
    std::ifstream info(fmt::format("/proc/self/fdinfo/{}", reply.fds[0].get()));
    for (std::string line; std::getline(info, line);)
      if (line.starts_with("Pid:")) pid_ = std::atoi(line.c_str() + 4);
    return {};
  }

  bool alive() override {
    auto reply = request({"state"});
    return reply && reply->fields.size() > 1 && reply->fields[1] == "1";
  }

  std::optional<ExitState> exited() override {
    auto reply = request({"state"});
    if (!reply) return ExitState{0, SIGKILL};  // the whole stage is gone
    if (reply->fields.size() < 4) return {};
    return ExitState{std::atoi(reply->fields[2].c_str()), std::atoi(reply->fields[3].c_str())};
  }

  pid_t pid() const override { return pid_; }

  Status set_refused(const std::vector<Address>& refused) override {
    if (is_preload()) {
      page_.set_refused(refused);
      return {};
    }
    Fields fields = address_fields(refused);
    if (fields == refused_) return {};
    fields.insert(fields.begin(), "refuse");
    auto done = request(fields);
    if (!done) return fail(done.error());
    refused_ = address_fields(refused);
    return {};
  }

  void set_clock_offset(int64_t nanoseconds) override { page_.set_clock_offset(nanoseconds); }

  std::vector<Leak> leaks() override {
    std::vector<Leak> out;
    auto reply = request({"leaks"});
    for (size_t i = 1; reply && i + 1 < reply->fields.size(); i += 2)
      if (auto to = parse_address(reply->fields[i])) out.push_back({*to, reply->fields[i + 1]});
    return out;
  }

  void stop(milliseconds grace) override {
    if (keeper_ <= 0) return;
    (void)request({"stop", std::to_string(grace.count())}).has_value();
    if (!wait_for_keeper(grace + milliseconds(2000))) {
      kill(keeper_, SIGKILL);  // PID 1 dies with it, and the stage with PID 1
      wait_for_keeper(milliseconds(10'000));
    }
    keeper_ = 0;
    const std::lock_guard lock(mutex_);
    channel_.reset();
  }

 private:
  bool is_preload() const { return kind_ == "preload"; }

  static tl::unexpected<Error> error_of(const Message& reply) {
    if (reply.fields.size() < 4) return fail("stage: " + reply.fields[0]);
    return fail(reply.fields[1], reply.fields[2],
                static_cast<ErrorKind>(std::atoi(reply.fields[3].c_str())));
  }

  Status spawn_keeper(const StageConfig& config) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
      return fail_errno("stage: socketpair");
    channel_.reset(pair[0]);
    const Fd low_end(pair[1]);
    REPRISE_ASSIGN(const Fd theirs, high(low_end.get()));
    const Bytes bytes = encode(config);
    const Fd low_memory(memfd_create("reprise-stage", MFD_CLOEXEC));
    REPRISE_ASSIGN(const Fd memory, high(low_memory.get()));
    if (write(memory.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      return fail_errno("stage: configuration");
    Fd out, err;
    if (!config.stdout_path.empty()) {
      REPRISE_ASSIGN(out, open_output(config.stdout_path));
    }
    if (!config.stderr_path.empty()) {
      REPRISE_ASSIGN(err, open_output(config.stderr_path));
    }

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs.get(), kChannelFd);
    posix_spawn_file_actions_adddup2(&actions, memory.get(), kConfigFd);
    for (const auto& [fd, number] : {std::pair(out.get(), kOutFd), {err.get(), kErrFd}}) {
      if (fd >= 0) {
        posix_spawn_file_actions_adddup2(&actions, fd, number);
      } else {
        posix_spawn_file_actions_addclose(&actions, number);
      }
    }
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    const std::string caller = std::to_string(getpid());
    const char* argv[] = {"reprise", kStageInit, caller.c_str(), nullptr};
    const int error = posix_spawn(&keeper_, "/proc/self/exe", &actions, &attributes,
                                  const_cast<char* const*>(argv), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    errno = error;
    if (error != 0) return keeper_ = 0, fail_errno("stage: start its keeper");
    return {};
  }

  Status take(const std::string& label, Fd fd) {
    const size_t space = label.find(' ');
    const std::string kind = label.substr(0, space);
    const std::string rest = space == label.npos ? "" : label.substr(space + 1);
    if (kind == "tcp") tcp_ = std::move(fd);
    if (kind == "tcp6") tcp6_ = std::move(fd);
    if (kind == "dns") dns_ = std::move(fd);
    if (kind == "dns6") dns6_ = std::move(fd);
    if (kind == "page") return page_.map(fd.get());
    if (kind == "unix") unix_.emplace_back(rest, std::move(fd));
    if (kind == "udp") {
      REPRISE_ASSIGN(Address address, parse_address(rest));
      udp_.emplace_back(std::move(address), std::move(fd));
    }
    return {};
  }

  Result<Message> request(const Fields& fields) {
    const std::lock_guard lock(mutex_);
    if (!channel_) return fail("stage: stopped");
    REPRISE_TRY(send(channel_.get(), {fields, {}}));
    auto reply = receive(channel_.get(), kRequestTime);
    if (!reply) {
      channel_.reset();  // a late answer would be taken for the next one's
      return reply;
    }
    if (reply->fields[0] != "ok") return error_of(*reply);
    return reply;
  }

  // From a small stock: one request to PID 1 for eight connections.
  Result<Fd> fresh_socket(Address::Family family) {
    auto& stock = family == Address::kIp6 ? stock6_ : stock4_;
    {
      const std::lock_guard lock(stock_mutex_);
      if (!stock.empty()) {
        Fd fd = std::move(stock.back());
        stock.pop_back();
        return fd;
      }
    }
    REPRISE_ASSIGN(Message reply, request({"sockets", family == Address::kIp6 ? "6" : "4", "8"}));
    if (reply.fds.empty()) return fail("stage: no socket");
    Fd fd = std::move(reply.fds.back());
    reply.fds.pop_back();
    const std::lock_guard lock(stock_mutex_);
    for (Fd& more : reply.fds) stock.push_back(std::move(more));
    return fd;
  }

  Result<int> connect_unix(const std::string& path, milliseconds timeout) {
    const auto deadline = Clock::now() + timeout;
    for (;;) {
      REPRISE_ASSIGN(Message reply, request({"unix", path}));
      if (!reply.fds.empty()) return reply.fds[0].release();
      if (Clock::now() >= deadline)
        return fail(fmt::format("connect to unix:{}: its backlog is full", path));
      std::this_thread::sleep_for(milliseconds(1));
    }
  }

  bool wait_for_keeper(milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    for (;;) {
      const pid_t done = waitpid(keeper_, nullptr, WNOHANG);
      if (done == keeper_ || (done < 0 && errno != EINTR)) return true;
      if (Clock::now() >= deadline) return false;
      std::this_thread::sleep_for(milliseconds(1));
    }
  }

  std::mutex mutex_;  // one request at a time
  Fd channel_;
  pid_t keeper_ = 0, pid_ = 0;
  std::string kind_;  // "root", "user" or "preload"
  std::vector<std::string> notes_;
  Fd tcp_, tcp6_, dns_, dns6_;
  std::vector<std::pair<Address, Fd>> udp_;
  std::vector<std::pair<std::string, Fd>> unix_;
  SharedPage page_;
  Fields refused_;
  std::mutex stock_mutex_;
  std::vector<Fd> stock4_, stock6_;
};

}  // namespace

Result<std::unique_ptr<Stage>> open_remote_stage(const StageConfig& config) {
  auto stage = std::make_unique<RemoteStage>();
  REPRISE_TRY(stage->build(config));
  return std::unique_ptr<Stage>(std::move(stage));
}

}  // namespace reprise::sandbox
