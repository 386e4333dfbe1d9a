#include "run/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>

#include "base/file.h"

namespace reprise::run {

Result<ProcessTree> ProcessTree::start(const Launch& launch) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  // The child tells over this pipe why it could not exec; a successful exec closes it.
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return fail_errno("pipe");
  std::vector<char*> argv, env;
  for (const std::string& a : launch.command) argv.push_back(const_cast<char*>(a.c_str()));
  for (const std::string& e : launch.environment) env.push_back(const_cast<char*>(e.c_str()));
  argv.push_back(nullptr), env.push_back(nullptr);
  const int pid = ::fork();
  if (pid < 0) return fail_errno("fork");
  if (pid == 0) {
    ::signal(SIGPIPE, SIG_DFL);  // an ignored signal survives exec, and ours is
    for (const int number : launch.ignored_signals) ::signal(number, SIG_IGN);
    if (launch.keep_fd >= 0) ::dup2(launch.keep_fd, launch.keep_as);
    ::execvpe(argv[0], argv.data(), env.data());
    const int error = errno;
    (void)!::write(report[1], &error, sizeof error);
    ::_exit(127);
  }
  ::close(report[1]);
  Fd in(report[0]);
  int error = 0;
  ssize_t n = 0;
  do {
    n = ::read(in.get(), &error, sizeof error);
  } while (n < 0 && errno == EINTR);
  if (n == sizeof error) {
    ::waitpid(pid, nullptr, 0);
    return fail(launch.command[0] + ": " + std::strerror(error),
                error == ENOENT ? "is it installed, and spelled right?" : "", ErrorKind::kUsage);
  }
  ProcessTree tree;
  tree.pid_ = pid;
  return tree;
}

bool ProcessTree::poll() {
  for (;;) {
    int status = 0;
    const int pid = ::waitpid(-1, &status, WNOHANG);
    if (pid == 0) return true;
    if (pid < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    if (pid == pid_) {
      command_ended_ = true;
      status_ = status;
    }
  }
}

void ProcessTree::signal_all(int number) {
  for (int pid : descendants()) ::kill(pid, number);
}

std::vector<int> descendants() {
  std::multimap<int, int> children;
  DIR* proc = ::opendir("/proc");
  if (proc == nullptr) return {};
  while (const dirent* e = ::readdir(proc)) {
    const int pid = std::atoi(e->d_name);
    if (pid <= 0) continue;
    auto stat = read_file("/proc/" + std::string(e->d_name) + "/stat");
    if (!stat) continue;
    const size_t name_end = stat->rfind(')');  // the name may hold anything
    if (name_end == Bytes::npos || stat->size() < name_end + 4) continue;
    children.emplace(std::atoi(stat->c_str() + name_end + 4), pid);
  }
  ::closedir(proc);
  std::vector<int> out = {::getpid()};
  for (size_t i = 0; i < out.size(); ++i) {
    const auto [from, to] = children.equal_range(out[i]);
    for (auto it = from; it != to; ++it) out.push_back(it->second);
  }
  out.erase(out.begin());
  return out;
}

}  // namespace reprise::run
