// A Stage seen from outside: talks to PID 1 of it, in every mode.
#pragma once

#include "sandbox/stage.h"

namespace reprise::sandbox {

Result<std::unique_ptr<Stage>> open_remote_stage(const StageConfig& config);

}  // namespace reprise::sandbox
