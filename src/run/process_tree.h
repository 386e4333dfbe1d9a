// The processes below us, ended daemons included (we are their subreaper).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace reprise::run {

struct Launch {
  std::vector<std::string> command;
  std::vector<std::string> environment;  // NAME=value, complete
  int keep_fd = -1;                      // made inheritable as descriptor keep_as
  int keep_as = -1;
  std::vector<int> ignored_signals;  // the command finds them ignored
};

class ProcessTree {
 public:
  // Becomes subreaper. The error of a command that cannot be run is kUsage.
  static Result<ProcessTree> start(const Launch& launch);

  // Collects what has ended; false once no process is left.
  bool poll();
  // Exit status of the command itself, once it has ended.
  bool command_ended() const { return command_ended_; }
  int status() const { return status_; }
  void signal_all(int number);
  int pid() const { return pid_; }

 private:
  int pid_ = -1;
  int status_ = 0;
  bool command_ended_ = false;
};

// Direct and indirect children of this process, from /proc.
std::vector<int> descendants();

}  // namespace reprise::run
