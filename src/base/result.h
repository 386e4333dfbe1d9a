// The one way to fail: a value or an Error. No exceptions cross a module.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace reprise {

// Exit codes of the program, and so the kinds of failure a user can tell apart.
enum class ErrorKind {
  kFailed = 1,       // the job failed
  kUsage = 2,        // the command line or a configuration file is wrong
  kEnvironment = 3,  // this machine cannot do it (permission, kernel feature)
};

struct Error {
  std::string message;  // what and where, one line, no trailing full stop
  std::string hint;     // what to do about it; may be empty
  ErrorKind kind = ErrorKind::kFailed;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};
using Status = Result<void>;

inline tl::unexpected<Error> fail(std::string message, std::string hint = {},
                                  ErrorKind kind = ErrorKind::kFailed) {
  return tl::unexpected<Error>(Error{std::move(message), std::move(hint), kind});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

// "open /x: Permission denied", from errno as it is at the call.
tl::unexpected<Error> fail_errno(std::string what, std::string hint = {},
                                 ErrorKind kind = ErrorKind::kFailed);

}  // namespace reprise

// Returns from the enclosing function if the expression failed.
#define REPRISE_TRY(expr)                                          \
  do {                                                             \
    auto reprise_try_ = (expr);                                    \
    if (!reprise_try_) return ::reprise::fail(reprise_try_.error()); \
  } while (false)

#define REPRISE_CONCAT2(a, b) a##b
#define REPRISE_CONCAT(a, b) REPRISE_CONCAT2(a, b)
// REPRISE_ASSIGN(auto x, f()): x is the value, or the enclosing function returns the error.
#define REPRISE_ASSIGN(decl, expr) \
  REPRISE_ASSIGN_(decl, expr, REPRISE_CONCAT(reprise_assign_, __LINE__))
#define REPRISE_ASSIGN_(decl, expr, tmp)           \
  auto tmp = (expr);                               \
  if (!tmp) return ::reprise::fail(tmp.error());   \
  decl = std::move(*tmp)
