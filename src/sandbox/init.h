// The process with number 1 inside a stage. One thread; owns every resource of the stage.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "sandbox/channel.h"
#include "sandbox/stage.h"

namespace reprise::sandbox {

struct InitContext {
  int channel = -1;
  int out_fd = -1, err_fd = -1;  // -1: the subject inherits ours
  std::string kind = "root";     // "user": in a user namespace; "preload": in none
  int caller = -1;               // pidfd of the process that all this is for
  mode_t umask = 022;            // the caller's
  StageConfig config;
  std::vector<std::string> notes;
};

// Builds the stage, answers requests until told to stop or the caller is gone. Returns the exit
// status of the process; when it exits the kernel ends whatever is left inside a PID namespace.
int run_init(InitContext context);

}  // namespace reprise::sandbox
