#include "sandbox/stage.h"

#include "sandbox/remote_stage.h"

namespace reprise::sandbox {

// Namespaces first; the preload library where the machine refuses them.
Result<std::unique_ptr<Stage>> Stage::open(const StageConfig& config) {
  if (config.mode == StageMode::kPreload) return open_remote_stage(config);
  auto opened = open_remote_stage(config);
  if (opened || opened.error().kind != ErrorKind::kEnvironment ||
      config.mode == StageMode::kNamespaces || config.stage_library.empty())
    return opened;
  StageConfig fallback = config;
  fallback.mode = StageMode::kPreload;
  fallback.fallback_reason = opened.error().message;
  return open_remote_stage(fallback);
}

}  // namespace reprise::sandbox
