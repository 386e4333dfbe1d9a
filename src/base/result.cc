#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace reprise {

tl::unexpected<Error> fail_errno(std::string what, std::string hint, ErrorKind kind) {
  const int saved = errno;
  what += ": ";
  what += std::strerror(saved);
  return fail(std::move(what), std::move(hint), kind);
}

}  // namespace reprise
