// Processes inside the stage: small tools, and the subject itself. Single-threaded callers only.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "base/result.h"
#include "base/file.h"
#include "sandbox/stage.h"

namespace reprise::sandbox {

// Runs a tool of the machine with `input` on its standard input; returns its output (both streams,
// at most 1 MB). Fails with that output if it does not exit with 0 in time.
Result<std::string> run_tool(const std::string& name, const std::vector<std::string>& arguments,
                             const std::string& input, std::chrono::milliseconds timeout);
// Where a system tool is; /usr/sbin too, which an ordinary user's PATH lacks. Empty: nowhere.
std::string find_tool(const std::string& name);

// A list of NAME=value and of arguments as exec wants them; views into `config`'s copies.
class ExecStrings {
 public:
  explicit ExecStrings(const std::vector<std::string>& strings);
  char* const* get() const { return const_cast<char* const*>(pointers_.data()); }

 private:
  std::vector<std::string> strings_;
  std::vector<char*> pointers_;
};

inline constexpr int kSubjectPageFd = 1000;  // high, but below the usual limit of 1024

struct SubjectStart {
  int out_fd = -1, err_fd = -1;  // -1: inherited
  bool drop_capabilities = true;
  int page_fd = -1;          // inherited as kSubjectPageFd
  bool die_with_us = false;  // where no PID namespace sees to it
};
// Forks and executes config.argv with exactly config.env. Fails if exec failed.
Result<pid_t> start_subject(const StageConfig& config, const SubjectStart& start);

}  // namespace reprise::sandbox
