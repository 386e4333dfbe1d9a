// A program that cleans the environment of its children keeps them on the stage all the same.
#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/stage/stage.h"

using namespace reprise::stage;

namespace {

constexpr size_t kText = 4096, kMostVariables = 4096;

// Ours, as we were loaded: "LD_PRELOAD=/dev/reprise/libreprise-stage.so" and the page's variables.
char library[kText], page_variable[256], fd_variable[64];

void copy(char* to, size_t room, const char* name, const char* value) {
  if (value == nullptr || strlen(name) + strlen(value) + 2 > room) return;
  char* end = stpcpy(to, name);
  *end++ = '=';
  strcpy(end, value);
}

__attribute__((constructor)) void remember() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&remember), &self) == 0 || self.dli_fname == nullptr) return;
  copy(library, sizeof library, "LD_PRELOAD", self.dli_fname);
  copy(page_variable, sizeof page_variable, kPageVariable, getenv(kPageVariable));
  copy(fd_variable, sizeof fd_variable, kFdVariable, getenv(kFdVariable));
}

bool names(const char* entry, const char* variable) {
  const size_t size = static_cast<size_t>(strchrnul(variable, '=') - variable);
  return strncmp(entry, variable, size) == 0 && entry[size] == '=';
}

// `env` with our variables, in arrays of the caller's frame: the child of a vfork must not
// allocate.
class Environment {
 public:
  explicit Environment(char* const* env) : given_(env) {
    if (library[0] == 0 || page() == nullptr || env == nullptr) return;
    size_t n = 0;
    bool has_page = false, has_fd = fd_variable[0] == 0, has_library = false;
    for (; env[n] != nullptr; ++n) {
      if (n >= kMostVariables) return;
      all_[n] = env[n];
      if (page_variable[0] != 0 && names(env[n], page_variable)) has_page = true;
      if (fd_variable[0] != 0 && names(env[n], fd_variable)) has_fd = true;
      if (!names(env[n], library)) continue;
      has_library = true;
      const char* path = strchr(library, '=') + 1;
      if (strstr(env[n], path) != nullptr) continue;
      const char* others = env[n] + strlen("LD_PRELOAD=");
      if (strlen(library) + strlen(others) + 2 > sizeof text_) return;
      stpcpy(stpcpy(stpcpy(text_, library), ":"), others);
      all_[n] = text_;
    }
    if (!has_library) all_[n++] = library;
    if (!has_page && page_variable[0] != 0) all_[n++] = page_variable;
    if (!has_fd) all_[n++] = fd_variable;
    all_[n] = nullptr;
    given_ = all_;
  }
  operator char* const*() const { return given_; }

 private:
  char* const* given_;
  char* all_[kMostVariables + 4];
  char text_[kText + 256];
};

// The arguments of execl and its like, up to the null; `last` is where the list stands then.
constexpr size_t kMostArguments = 1024;
struct Arguments {
  char* list[kMostArguments + 1];
  bool take(const char* first, va_list& rest) {
    size_t n = 0;
    for (const char* a = first; a != nullptr; a = va_arg(rest, const char*)) {
      if (n >= kMostArguments) return false;
      list[n++] = const_cast<char*>(a);
    }
    list[n] = nullptr;
    return true;
  }
};

int too_many() {
  errno = E2BIG;
  return -1;
}

}  // namespace

STAGE_EXPORT int execve(const char* path, char* const argv[], char* const env[]) noexcept {
  return STAGE_REAL(execve)(path, argv, Environment(env));
}
STAGE_EXPORT int execv(const char* path, char* const argv[]) noexcept {
  return STAGE_REAL(execve)(path, argv, Environment(environ));
}
STAGE_EXPORT int execvpe(const char* file, char* const argv[], char* const env[]) noexcept {
  return STAGE_REAL(execvpe)(file, argv, Environment(env));
}
STAGE_EXPORT int execvp(const char* file, char* const argv[]) noexcept {
  return STAGE_REAL(execvpe)(file, argv, Environment(environ));
}
STAGE_EXPORT int fexecve(int fd, char* const argv[], char* const env[]) noexcept {
  return STAGE_REAL(fexecve)(fd, argv, Environment(env));
}
extern "C" int execveat(int, const char*, char* const[], char* const[], int) noexcept;
STAGE_EXPORT int execveat(int fd, const char* path, char* const argv[], char* const env[],
                          int flags) noexcept {
  return STAGE_REAL(execveat)(fd, path, argv, Environment(env), flags);
}

STAGE_EXPORT int execl(const char* path, const char* first, ...) noexcept {
  va_list rest;
  va_start(rest, first);
  Arguments a;
  const bool fits = a.take(first, rest);
  va_end(rest);
  return fits ? execve(path, a.list, environ) : too_many();
}
STAGE_EXPORT int execlp(const char* file, const char* first, ...) noexcept {
  va_list rest;
  va_start(rest, first);
  Arguments a;
  const bool fits = a.take(first, rest);
  va_end(rest);
  return fits ? execvpe(file, a.list, environ) : too_many();
}
STAGE_EXPORT int execle(const char* path, const char* first, ...) noexcept {
  va_list rest;
  va_start(rest, first);
  Arguments a;
  const bool fits = a.take(first, rest);
  char* const* env = fits ? va_arg(rest, char* const*) : nullptr;
  va_end(rest);
  return fits ? execve(path, a.list, env) : too_many();
}

STAGE_EXPORT int posix_spawn(pid_t* pid, const char* path,
                             const posix_spawn_file_actions_t* actions,
                             const posix_spawnattr_t* attributes, char* const argv[],
                             char* const env[]) {
  return STAGE_REAL_VERSION(posix_spawn, "GLIBC_2.15")(pid, path, actions, attributes, argv,
                                                       Environment(env));
}
STAGE_EXPORT int posix_spawnp(pid_t* pid, const char* file,
                              const posix_spawn_file_actions_t* actions,
                              const posix_spawnattr_t* attributes, char* const argv[],
                              char* const env[]) {
  return STAGE_REAL_VERSION(posix_spawnp, "GLIBC_2.15")(pid, file, actions, attributes, argv,
                                                        Environment(env));
}
