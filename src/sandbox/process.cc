#include "sandbox/process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"

namespace reprise::sandbox {
namespace {

using Clock = std::chrono::steady_clock;

int milliseconds_to(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  return left.count() < 0 ? 0 : static_cast<int>(left.count());
}

// Tools lose the capabilities of a user namespace at exec unless they are ambient.
void keep_net_admin_over_exec() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (syscall(SYS_capget, &header, data) != 0) return;
  data[CAP_NET_ADMIN / 32].inheritable |= 1u << (CAP_NET_ADMIN % 32);
  if (syscall(SYS_capset, &header, data) != 0) return;
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0);
}

// What reaches beyond the stage even from inside: the machine's clock, modules, ports, devices.
void drop_dangerous_capabilities() {
  for (const unsigned long cap :
       {CAP_SYS_TIME, CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_BOOT, CAP_MKNOD, CAP_SYSLOG})
    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

void reset_signals() {
  for (int s = 1; s < NSIG; ++s) signal(s, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// argv[0] by the PATH that the subject will have.
std::string resolve(const StageConfig& config) {
  const std::string& name = config.argv[0];
  if (name.find('/') != name.npos) return name;
  std::string_view path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
  for (const auto& [key, value] : config.env)
    if (key == "PATH") path = value;
  while (!path.empty()) {
    const size_t colon = std::min(path.find(':'), path.size());
    const std::string candidate = fmt::format("{}/{}", path.substr(0, colon), name);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    path.remove_prefix(std::min(colon + 1, path.size()));
  }
  return name;
}

}  // namespace

ExecStrings::ExecStrings(const std::vector<std::string>& strings) : strings_(strings) {
  for (std::string& s : strings_) pointers_.push_back(s.data());
  pointers_.push_back(nullptr);
}

std::string find_tool(const std::string& name) {
  for (const char* folder : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/", "/usr/local/sbin/"})
    if (access((folder + name).c_str(), X_OK) == 0) return folder + name;
  return {};
}

Result<std::string> run_tool(const std::string& name, const std::vector<std::string>& arguments,
                             const std::string& input, std::chrono::milliseconds timeout) {
  const std::string path = find_tool(name);
  if (path.empty())
    return fail(fmt::format("'{}' is not installed", name),
                name == "nft" ? "apt install nftables" : "", ErrorKind::kEnvironment);
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return fail_errno("pipe");
  Fd in_read(in[0]), in_write(in[1]);
  if (pipe2(out, O_CLOEXEC) != 0) return fail_errno("pipe");
  Fd out_read(out[0]), out_write(out[1]);
  std::vector<std::string> argv{path};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const ExecStrings exec_argv(argv), exec_env({"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"});
  const pid_t child = fork();
  if (child < 0) return fail_errno("fork");
  if (child == 0) {
    reset_signals();
    keep_net_admin_over_exec();
    dup2(in_read.get(), 0), dup2(out_write.get(), 1), dup2(out_write.get(), 2);
    execve(path.c_str(), exec_argv.get(), exec_env.get());
    _exit(127);
  }
  in_read.reset(), out_write.reset();
  fcntl(in_write.get(), F_SETFL, O_NONBLOCK);
  fcntl(out_read.get(), F_SETFL, O_NONBLOCK);
  const auto deadline = Clock::now() + timeout;
  std::string output;
  size_t written = 0;
  bool finished = false;
  if (input.empty()) in_write.reset();
  while (!finished && milliseconds_to(deadline) > 0) {
    pollfd p[2] = {{out_read.get(), POLLIN, 0}, {in_write.get(), POLLOUT, 0}};
    if (poll(p, 2, milliseconds_to(deadline)) < 0 && errno != EINTR) break;
    if (p[1].revents != 0) {
      const ssize_t n = write(in_write.get(), input.data() + written, input.size() - written);
      if (n > 0) written += static_cast<size_t>(n);
      if (written == input.size() || (n < 0 && errno != EAGAIN)) in_write.reset();
    }
    if (p[0].revents != 0) {
      char chunk[4096];
      const ssize_t n = read(out_read.get(), chunk, sizeof chunk);
      if (n > 0 && output.size() < (1u << 20)) output.append(chunk, static_cast<size_t>(n));
      finished = n == 0;
    }
  }
  if (!finished) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!finished) return fail(fmt::format("{} took longer than {} ms", name, timeout.count()));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(fmt::format("{}: {}", name, trim(ByteView(output).substr(0, output.find('\n')))));
  return output;
}

Result<pid_t> start_subject(const StageConfig& config, const SubjectStart& start) {
  if (config.argv.empty()) return fail("no program to run", {}, ErrorKind::kUsage);
  std::vector<std::string> env;
  for (const auto& [name, value] : config.env) env.push_back(name + "=" + value);
  const ExecStrings argv(config.argv), envp(env);
  const std::string path = resolve(config);
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return fail_errno("pipe");
  Fd report_read(report[0]), report_write(report[1]);
  const pid_t child = fork();
  if (child < 0) return fail_errno("fork");
  if (child == 0) {
    setsid();
    reset_signals();
    if (start.die_with_us) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (start.page_fd >= 0) dup2(start.page_fd, kSubjectPageFd);
    if (start.drop_capabilities) drop_dangerous_capabilities();
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0) dup2(null, 0);
    if (start.out_fd >= 0) dup2(start.out_fd, 1);
    if (start.err_fd >= 0) dup2(start.err_fd, 2);
    char step = 'd';
    if (chdir(config.cwd.c_str()) == 0) {
      step = 'x';
      execve(path.c_str(), argv.get(), envp.get());
    }
    const int error = errno;
    [[maybe_unused]] ssize_t ignored = write(report_write.get(), &step, 1);
    ignored = write(report_write.get(), &error, sizeof error);
    _exit(127);
  }
  report_write.reset();
  fcntl(report_read.get(), F_SETFL, O_NONBLOCK);
  // The pipe closes by itself at exec.
  pollfd p{report_read.get(), POLLIN, 0};
  char step = 0;
  while (poll(&p, 1, 10'000) < 0 && errno == EINTR) {
  }
  if (read(report_read.get(), &step, 1) <= 0) return child;
  int error = 0;
  if (read(report_read.get(), &error, sizeof error) < 0) error = errno;
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  errno = error;
  return step == 'd' ? fail_errno("working directory " + config.cwd, {}, ErrorKind::kUsage)
                     : fail_errno("run " + path, {}, ErrorKind::kUsage);
}

}  // namespace reprise::sandbox
