#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "cli/command.h"

namespace reprise::cli {

namespace {
std::atomic<bool> g_stop{false};

void on_signal(int number) {
  if (g_stop.exchange(true)) {
    ::signal(number, SIG_DFL);
    ::raise(number);
  }
}
}  // namespace

int report(const Error& error) {
  std::fprintf(stderr, "reprise: %s\n", error.message.c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "  %s\n", error.hint.c_str());
  return static_cast<int>(error.kind);
}

const std::atomic<bool>& stop_requested() { return g_stop; }

std::vector<int> catch_stop_signals() {
  std::vector<int> ignored;
  for (const int number : {SIGINT, SIGTERM, SIGPIPE}) {
    struct sigaction action = {}, before = {};
    action.sa_handler = number == SIGPIPE ? SIG_IGN : on_signal;
    ::sigaction(number, &action, &before);
    if (before.sa_handler == SIG_IGN) ignored.push_back(number);
  }
  return ignored;
}

bool stderr_is_terminal() { return ::isatty(2) != 0; }

std::string executable_folder() {
  char path[4096];
  const ssize_t n = ::readlink("/proc/self/exe", path, sizeof path);
  const std::string self(path, n > 0 ? static_cast<size_t>(n) : 0);
  return self.substr(0, self.rfind('/'));
}

std::string hook_library(const char* name) {
  return executable_folder() + "/../lib/" + name;
}

}  // namespace reprise::cli
