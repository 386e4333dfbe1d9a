#include "hook/observe/real.h"

namespace reprise::hook {

RealFunctions g_real;

void resolve_all() {
  KeepErrno keep;
#define X(name, ret, args) g_real.name = reinterpret_cast<ret(*) args>(dlsym(RTLD_NEXT, #name));
  REPRISE_REAL_FUNCTIONS(X)
#undef X
}

}  // namespace reprise::hook
