#include "sandbox/init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>

#include "sandbox/config_codec.h"
#include "sandbox/descendants.h"
#include "sandbox/network.h"
#include "sandbox/process.h"
#include "sandbox/scenery.h"

namespace reprise::sandbox {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kToolTime{10'000};

std::string read_all(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

int number(const std::string& text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class Init {
 public:
  Init(InitContext& context, int page_fd)
      : c_(context), config_(context.config), page_fd_(page_fd) {}

  int serve(int signals) {
    for (;;) {
      pollfd p[3] = {{c_.channel, POLLIN, 0}, {signals, POLLIN, 0}, {c_.caller, POLLIN, 0}};
      if (poll(p, 3, stopping_ ? 20 : -1) < 0) {
        if (errno == EINTR) continue;
        break;
      }
      if (p[2].revents != 0) break;  // the caller is gone
      if (p[1].revents != 0) {
        signalfd_siginfo ignored;
        (void)!read(signals, &ignored, sizeof ignored);
      }
      reap();
      if (stopping_ && (!anyone() || Clock::now() >= deadline_)) break;
      if (p[0].revents != 0) {
        auto request = receive(c_.channel, milliseconds(0));
        if (!request) break;  // the caller is gone
        answer(*request);
      }
    }
    end_all();
    return 0;
  }

 private:
  // Whether any process but us is left.
  bool anyone() const {
    if (preload_) return !descendants().empty();
    return kill(-1, 0) == 0 || errno == EPERM;
  }

  void signal_all(int signal) const {
    if (!preload_) {
      kill(-1, signal);
      return;
    }
    for (const pid_t pid : descendants()) kill(pid, signal);
  }

  // Without a PID namespace nobody else ends them. They may fork meanwhile: bounded rounds.
  void end_all() {
    if (!preload_) return;
    for (int round = 0; round < 100 && anyone(); ++round) {
      signal_all(SIGKILL);
      usleep(1000);
      reap();
    }
  }

  void reap() {
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid != subject_) continue;
      if (WIFEXITED(status)) exit_ = ExitState{WEXITSTATUS(status), 0};
      if (WIFSIGNALED(status)) exit_ = ExitState{0, WTERMSIG(status)};
      if (stopping_) signal_all(SIGTERM);
    }
  }

  void answer(const Message& request) {
    auto reply = handle(request.fields);
    Message out;
    if (reply) {
      out = std::move(*reply);
      out.fields.insert(out.fields.begin(), "ok");
    } else {
      const Error& e = reply.error();
      out.fields = {"error", e.message, e.hint, std::to_string(static_cast<int>(e.kind))};
    }
    (void)!send(c_.channel, out).has_value();
  }

  Result<Message> handle(const Fields& request) {
    const std::string& verb = request[0];
    if (verb == "sockets" && request.size() == 3)
      return sockets(number(request[1]) == 6 ? AF_INET6 : AF_INET, number(request[2]));
    if (verb == "unix" && request.size() == 2) return connect_unix(request[1]);
    if (verb == "start") return start();
    if (verb == "state") return state();
    if (verb == "listening") return listening();
    if (verb == "leaks") return leaks();
    if (verb == "stop" && request.size() == 2) return stop(milliseconds(number(request[1])));
    if (verb == "refuse") {
      REPRISE_ASSIGN(auto list, addresses_of(Fields(request.begin() + 1, request.end())));
      auto done = run_tool("nft", {"-f", "-"}, nft_refused(list), kToolTime);
      if (!done) return fail(done.error());
      return Message{};
    }
    return fail("stage: unknown request " + verb);
  }

  // Unconnected TCP sockets of this network namespace, marked as the driver's.
  Result<Message> sockets(int family, int count) {
    Message out;
    for (int i = 0; i < std::min(count, 64); ++i) {
      Fd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      if (!fd) return fail_errno("stage: socket");
      if (!preload_ && setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &kMark, sizeof kMark) != 0)
        return fail_errno("stage: mark a socket");
      out.fds.push_back(std::move(fd));
    }
    return out;
  }

  Result<Message> connect_unix(const std::string& path) {
    Message out;
    Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno("stage: socket");
    REPRISE_ASSIGN(SockAddr to, SockAddr::from(unix_address(path)));
    if (::connect(fd.get(), to.get(), to.length()) != 0) {
      if (errno != EAGAIN) return fail_errno("connect to unix:" + path);
      out.fields.emplace_back("again");  // its backlog is full
      return out;
    }
    out.fds.push_back(std::move(fd));
    return out;
  }

  Result<Message> start() {
    if (subject_ != 0) return fail("stage: the subject was started already");
    umask(c_.umask);
    auto pid = start_subject(config_, {c_.out_fd, c_.err_fd, !preload_, page_fd_, preload_});
    umask(0);
    if (!pid) return fail(pid.error());
    subject_ = *pid;
    Message out;
    out.fds.emplace_back(static_cast<int>(syscall(SYS_pidfd_open, subject_, 0)));
    if (!out.fds[0]) out.fds.clear();
    return out;
  }

  Result<Message> state() {
    Message out;
    out.fields = {subject_ != 0 && anyone() ? "1" : "0"};
    if (exit_) {
      out.fields.push_back(std::to_string(exit_->code));
      out.fields.push_back(std::to_string(exit_->signal));
    }
    return out;
  }

  Result<Message> listening() {
    Inodes own;
    if (preload_) own = socket_inodes(descendants());
    const Inodes* only = preload_ ? &own : nullptr;
    Message out;
    out.fields = address_fields(parse_proc_tcp(read_all("/proc/self/net/tcp"), false, only));
    for (const Address& a : parse_proc_tcp(read_all("/proc/self/net/tcp6"), true, only))
      out.fields.push_back(to_string(a));
    for (const Address& a : parse_proc_unix(read_all("/proc/self/net/unix"), only)) {
      const auto& ours = config_.unix_dependencies;
      if (std::find(ours.begin(), ours.end(), a.ip_or_path) == ours.end())
        out.fields.push_back(to_string(a));
    }
    return out;
  }

  Result<Message> leaks() {
    if (preload_) return Message{};  // refused inside the subject, not counted
    auto listing = run_tool("nft", {"-nn", "list", "table", "inet", "reprise"}, "", kToolTime);
    if (!listing) return fail(listing.error());
    Message out;
    for (const Leak& leak : parse_leaks(*listing)) {
      out.fields.push_back(to_string(leak.to));
      out.fields.push_back(leak.protocol);
    }
    return out;
  }

  Result<Message> stop(milliseconds grace) {
    stopping_ = true;
    deadline_ = Clock::now() + grace;
    // First the one that can bring the others down in order; a daemon's first process is gone.
    for (const int signal : {SIGTERM, SIGCONT}) {
      if (subject_ != 0 && !exit_) {
        kill(subject_, signal);
      } else {
        signal_all(signal);
      }
    }
    return Message{};
  }

  InitContext& c_;
  StageConfig& config_;
  const bool preload_ = c_.kind == "preload";
  const int page_fd_;  // -1 but in preload mode
  pid_t subject_ = 0;
  std::optional<ExitState> exit_;
  bool stopping_ = false;
  Clock::time_point deadline_;
};

}  // namespace

int run_init(InitContext context) {
  signal(SIGPIPE, SIG_IGN);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, nullptr);
  const Fd signals(signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  umask(0);
  Scenery scenery;
  auto ready = build_scenery(context, scenery);
  if (!ready) {
    (void)send(context.channel, {{"error", ready.error().message, ready.error().hint, "3"}, {}});
    return 1;
  }
  if (!send(context.channel, *ready)) return 1;
  ready->fds.clear();
  return Init(context, scenery.page_fd.get()).serve(signals.get());
}

}  // namespace reprise::sandbox
