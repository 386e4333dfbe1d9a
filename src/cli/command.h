// A command of the program: one file each.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/result.h"

namespace reprise::cli {

using Arguments = std::vector<std::string>;

struct Command {
  const char* name;
  const char* about;  // one line for `reprise --help`
  // Exit code, or the error to print.
  Result<int> (*run)(const Arguments& arguments);
};

Result<int> run_record(const Arguments& arguments);
Result<int> run_replay(const Arguments& arguments);
Result<int> run_show(const Arguments& arguments);
Result<int> run_ls(const Arguments& arguments);
Result<int> run_verify(const Arguments& arguments);
Result<int> run_recover(const Arguments& arguments);
Result<int> run_doctor(const Arguments& arguments);

// Prints "reprise: message" and "  hint" to stderr; the exit code that goes with the error.
int report(const Error& error);

// True after SIGINT or SIGTERM; a second one ends the program at once.
const std::atomic<bool>& stop_requested();
// Takes SIGINT, SIGTERM and SIGPIPE; those that were ignored until now (nohup, a shell's background
// job, a systemd service): what we start is to inherit that.
std::vector<int> catch_stop_signals();

bool stderr_is_terminal();
// The folder of this executable, without a slash at the end.
std::string executable_folder();
std::string hook_library(const char* name);  // .../lib/NAME beside bin/

}  // namespace reprise::cli
