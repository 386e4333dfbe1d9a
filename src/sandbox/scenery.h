// What is built before the subject comes: network, root, rules, the mock's sockets, shared files.
#pragma once

#include "sandbox/channel.h"
#include "base/file.h"
#include "sandbox/init.h"
#include "sandbox/page.h"

namespace reprise::sandbox {

struct Scenery {
  Fd page_fd;       // preload mode only: the subject inherits it
  SharedPage page;  // preload mode only
};

// Runs in PID 1, once. Adds to the context's notes and to the environment of its configuration.
// Returns the message that says so: "ready", kind, notes, then a label for each descriptor.
Result<Message> build_scenery(InitContext& context, Scenery& scenery);

}  // namespace reprise::sandbox
