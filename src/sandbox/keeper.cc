// The keeper: makes the namespaces, forks PID 1 into them, and ends it when the caller is gone.
// It is a process of its own because a process with threads cannot enter a user namespace, and the
// caller must stay outside; and because PR_SET_PDEATHSIG follows the parent's *thread*, it watches
// the caller by a pidfd instead.
#include "sandbox/keeper.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "sandbox/config_codec.h"
#include "sandbox/init.h"
#include "sandbox/process.h"

namespace reprise::sandbox {
namespace {

constexpr int kNamespaces = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;

bool write_file(const char* path, const std::string& text) {
  const Fd fd(::open(path, O_WRONLY | O_CLOEXEC));
  return fd && write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// "user:100000:65536" of /etc/subuid or /etc/subgid.
std::optional<std::pair<unsigned, unsigned>> subordinate_ids(const char* file, unsigned id) {
  std::ifstream lines(file);
  const char* user = std::getenv("USER");
  for (std::string line; std::getline(lines, line);) {
    const size_t a = line.find(':'), b = line.find(':', a + 1);
    if (b == line.npos) continue;
    const std::string who = line.substr(0, a);
    if (who != std::to_string(id) && (user == nullptr || who != user)) continue;
    return std::pair(static_cast<unsigned>(std::atol(line.c_str() + a + 1)),
                     static_cast<unsigned>(std::atol(line.c_str() + b + 1)));
  }
  return {};
}

// Maps ids by newuidmap and newgidmap, which must run outside the new namespace: a child waits
// for the word.
class IdMapper {
 public:
  IdMapper(uid_t uid, gid_t gid) {
    const auto uids = subordinate_ids("/etc/subuid", uid),
               gids = subordinate_ids("/etc/subgid", uid);
    if (!uids || !gids || find_tool("newuidmap").empty() || find_tool("newgidmap").empty()) return;
    int word[2];
    if (pipe2(word, O_CLOEXEC) != 0) return;
    const pid_t keeper = getpid();
    child_ = fork();
    if (child_ == 0) {
      ::close(word[1]);
      char go = 0;
      if (read(word[0], &go, 1) != 1) _exit(1);
      const auto map = [&](const char* tool, unsigned own, std::pair<unsigned, unsigned> range) {
        return run_tool(tool,
                        {std::to_string(keeper), "0", std::to_string(own), "1", "1",
                         std::to_string(range.first), std::to_string(range.second)},
                        "", std::chrono::seconds(5))
            .has_value();
      };
      _exit(map("newuidmap", uid, *uids) && map("newgidmap", gid, *gids) ? 0 : 1);
    }
    ::close(word[0]);
    go_.reset(word[1]);
  }
  bool map() {
    if (child_ <= 0 || write(go_.get(), "g", 1) != 1) return false;
    int status = 1;
    waitpid(child_, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  pid_t child_ = 0;
  Fd go_;
};

Status enter_user_namespace(bool fake_root, std::vector<std::string>& notes) {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  std::optional<IdMapper> mapper;
  if (fake_root) mapper.emplace(uid, gid);
  if (unshare(CLONE_NEWUSER) != 0)
    return fail_errno("user namespace", "run as root, or allow unprivileged user namespaces",
                      ErrorKind::kEnvironment);
  if (mapper && mapper->map()) {
    if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) return fail_errno("become root inside");
    (void)!setgroups(0, nullptr);
    return {};
  }
  if (fake_root)
    notes.emplace_back(
        "no subordinate ids (newuidmap, /etc/subuid): a program that changes its user fails");
  const unsigned in_uid = fake_root ? 0 : uid, in_gid = fake_root ? 0 : gid;
  write_file("/proc/self/setgroups", "deny");
  if (!write_file("/proc/self/uid_map", fmt::format("{} {} 1", in_uid, uid)) ||
      !write_file("/proc/self/gid_map", fmt::format("{} {} 1", in_gid, gid)))
    return fail_errno("map ids into a user namespace", {}, ErrorKind::kEnvironment);
  return {};
}

std::string read_fd(int fd) {
  std::string out;
  char chunk[4096];
  for (ssize_t n, at = 0; (n = pread(fd, chunk, sizeof chunk, at)) > 0; at += n)
    out.append(chunk, static_cast<size_t>(n));
  return out;
}

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

}  // namespace

Result<bool> enter_namespaces(bool fake_root, std::vector<std::string>& notes) {
  if (unshare(kNamespaces) == 0) return false;
  if (errno != EPERM) return fail_errno("namespaces", {}, ErrorKind::kEnvironment);
  REPRISE_TRY(enter_user_namespace(fake_root, notes));
  if (unshare(kNamespaces) != 0)
    return fail_errno("namespaces in a user namespace", {}, ErrorKind::kEnvironment);
  return true;
}

int stage_init_main(int argc, char** argv) {
  const pid_t caller = argc > 2 ? std::atoi(argv[2]) : 0;
  const Fd watched(static_cast<int>(syscall(SYS_pidfd_open, caller, 0)));
  if (caller == 0 || getppid() != caller || !is_open(kChannelFd) || !is_open(kConfigFd)) {
    std::fputs("__stage-init is started by reprise itself\n", stderr);
    return 2;
  }
  setsid();
  syscall(SYS_close_range, std::max(kErrFd, watched.get()) + 1, ~0U, 0);
  for (int fd = kChannelFd; fd <= kErrFd; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  InitContext context;
  context.channel = kChannelFd;
  if (is_open(kOutFd) && watched.get() != kOutFd) context.out_fd = kOutFd;
  if (is_open(kErrFd) && watched.get() != kErrFd) context.err_fd = kErrFd;
  context.umask = umask(0);
  umask(context.umask);
  const auto refuse = [](const Error& e) {
    (void)send(kChannelFd, {{"error", e.message, e.hint, "3"}, {}});
    return 1;
  };
  auto config = decode_config(read_fd(kConfigFd));
  if (!config) return refuse(config.error());
  context.config = std::move(*config);
  context.caller = watched.get();
  if (context.config.mode == StageMode::kPreload) {
    // No namespace dies with this process: it must see itself to what is below it.
    context.kind = "preload";
    return run_init(std::move(context));
  }
  auto entered = enter_namespaces(context.config.fake_root, context.notes);
  if (!entered) return refuse(entered.error());
  context.kind = *entered ? "user" : "root";

  const pid_t init = fork();  // PID 1 of the new PID namespace
  if (init < 0) return refuse(fail_errno("fork").value());
  if (init == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "reprise-init");
    _exit(run_init(std::move(context)));
  }
  ::close(kChannelFd);
  prctl(PR_SET_NAME, "reprise-keeper");
  const Fd child(static_cast<int>(syscall(SYS_pidfd_open, init, 0)));
  for (;;) {
    pollfd p[2] = {{watched.get(), POLLIN, 0}, {child.get(), POLLIN, 0}};
    if (poll(p, 2, -1) < 0 && errno == EINTR) continue;
    if (p[1].revents == 0) kill(init, SIGKILL);
    int status = 0;
    // Returns when every process of the namespace is gone.
    while (waitpid(init, &status, 0) < 0 && errno == EINTR) {
    }
    // No exit handlers: they belong to the caller's program (and no thread can be made any more).
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
}

}  // namespace reprise::sandbox
