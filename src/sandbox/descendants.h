// The processes below this one, where no PID namespace keeps them together. The caller must be
// their subreaper (PR_SET_CHILD_SUBREAPER), so that a daemon stays below it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <vector>

namespace reprise::sandbox {

std::vector<pid_t> descendants();  // without zombies
// The inodes of every socket that they hold.
std::set<uint64_t> socket_inodes(const std::vector<pid_t>& processes);

}  // namespace reprise::sandbox
