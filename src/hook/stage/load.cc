// Libraries loaded with RTLD_DEEPBIND would bind past us. The real dlopen looks at its return
// address to find the caller's RUNPATH, so these must stay tail calls: -O2 makes them a jump.
#include "hook/stage/stage.h"

using namespace reprise::stage;

STAGE_EXPORT void* dlopen(const char* file, int flags) noexcept {
  return STAGE_REAL(dlopen)(file, flags & ~RTLD_DEEPBIND);
}
STAGE_EXPORT void* dlmopen(Lmid_t space, const char* file, int flags) noexcept {
  return STAGE_REAL(dlmopen)(space, file, flags & ~RTLD_DEEPBIND);
}
