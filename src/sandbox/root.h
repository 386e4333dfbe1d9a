// The file system of a stage: what the machine has, but every write stays inside.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sandbox/stage.h"

namespace reprise::sandbox {

inline constexpr const char* kStageFolder = "/dev/reprise";  // our own files inside

struct Mount {
  std::string path, type;
  bool operator==(const Mount&) const = default;
};
// /proc/self/mountinfo, in its order, escapes undone.
std::vector<Mount> parse_mountinfo(const std::string& text);

// Builds the new root and moves the calling process into it; the process must be alone in a mount
// namespace, and PID 1 of a PID namespace for /proc. The old root is unreachable afterwards.
// False: there is no overlay, what is written is real.
// `unprivileged`: in a user namespace, where mounts are locked together and only the caller's own
// files can be copied up.
Result<bool> enter_new_root(const StageConfig& config, bool unprivileged,
                            std::vector<std::string>& notes);

// Makes the parents of a file, ignoring failures; for socket paths.
void make_parents(const std::string& path);

}  // namespace reprise::sandbox
