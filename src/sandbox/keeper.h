// What the keeper and its caller agree on.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace reprise::sandbox {

// Descriptors that the keeper is started with.
inline constexpr int kChannelFd = 3, kConfigFd = 4, kOutFd = 5, kErrFd = 6;

// Moves the calling process (of one thread) into new namespaces, its children into a new PID
// namespace. True: a user namespace was needed.
Result<bool> enter_namespaces(bool fake_root, std::vector<std::string>& notes);

}  // namespace reprise::sandbox
