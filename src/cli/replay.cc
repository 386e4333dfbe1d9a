#include "cli/command.h"

namespace reprise::cli {
Result<int> run_replay(const Arguments&) { return fail("not yet", {}, ErrorKind::kEnvironment); }
Result<int> run_doctor(const Arguments&) { return fail("not yet", {}, ErrorKind::kEnvironment); }
}  // namespace reprise::cli
