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

void catch_stop_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
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
