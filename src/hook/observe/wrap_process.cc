// What keeps the library in the whole process tree: the environment over exec, and RTLD_DEEPBIND.
// vfork and clone need no wrapper, see MADV_WIPEONFORK in writer.cc. fork has one, so that the
// child is known to hold its parent's streams before the parent closes them.
#include <alloca.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "hook/observe/real.h"
#include "hook/observe/streams.h"
#include "hook/observe/writer.h"

extern "C" char** environ;

namespace reprise::hook {
namespace {

constexpr int kNames = 3;
constexpr const char* kKeep[kNames] = {"LD_PRELOAD", REPRISE_ENV_ARENA_FD, REPRISE_ENV_ARENA_PATH};
// "NAME=value" of this process image at its start: getenv may be gone by the time of an exec.
char g_kept[kNames][4096];

bool starts_with_name(const char* entry, const char* name) {
  const size_t n = strlen(name);
  return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

const char* library_of(const char* preload) { return strstr(preload, "libreprise-observe"); }

// How many of ours the environment lacks; an LD_PRELOAD of the subject's own, without us, counts.
int missing(char* const* env, bool (&lack)[kNames]) {
  int count = 0;
  for (int i = 0; i < kNames; ++i) {
    lack[i] = g_kept[i][0] != 0;
    for (char* const* e = env; env != nullptr && *e != nullptr && lack[i]; ++e) {
      if (starts_with_name(*e, kKeep[i]) && (i != 0 || library_of(*e) != nullptr)) lack[i] = false;
    }
    count += lack[i];
  }
  return count;
}

size_t length(char* const* env) {
  size_t n = 0;
  while (env != nullptr && env[n] != nullptr) ++n;
  return n;
}

// Copies env to out (room for length + kNames + 1) with ours put back. `joined` holds an LD_PRELOAD
// of both.
void complete(char* const* env, const bool (&lack)[kNames], char** out, char* joined, size_t room) {
  size_t n = 0;
  for (char* const* e = env; env != nullptr && *e != nullptr; ++e) {
    if (lack[0] && starts_with_name(*e, kKeep[0])) {
      const size_t ours = strlen(g_kept[0]);
      const char* theirs = *e + strlen(kKeep[0]) + 1;
      if (ours + 2 + strlen(theirs) < room) {
        memcpy(joined, g_kept[0], ours);
        joined[ours] = ' ';
        memcpy(joined + ours + 1, theirs, strlen(theirs) + 1);
        out[n++] = joined;
        continue;
      }
    }
    out[n++] = *e;
  }
  for (int i = 0; i < kNames; ++i) {
    bool there = false;
    for (size_t k = 0; k < n; ++k) there = there || starts_with_name(out[k], kKeep[i]);
    if (lack[i] && !there) out[n++] = g_kept[i];
  }
  out[n] = nullptr;
}

}  // namespace

void remember_environment() {
  for (int i = 0; i < kNames; ++i) {
    const char* value = getenv(kKeep[i]);
    const size_t n = strlen(kKeep[i]);
    if (value == nullptr || n + 2 + strlen(value) > sizeof g_kept[i]) continue;
    memcpy(g_kept[i], kKeep[i], n);
    g_kept[i][n] = '=';
    memcpy(g_kept[i] + n + 1, value, strlen(value) + 1);
  }
}

}  // namespace reprise::hook

using namespace reprise::hook;

// The new environment lives on the caller's stack: exec may run in a vfork child.
#define REPRISE_WITH_ENVIRONMENT(env)                                               \
  bool lack[kNames];                                                                \
  char** with = const_cast<char**>(env);                                            \
  if (arena() != nullptr && missing(env, lack) > 0) {                               \
    with = static_cast<char**>(alloca((length(env) + kNames + 1) * sizeof(char*))); \
    char* joined = static_cast<char*>(alloca(8192));                                \
    complete(env, lack, with, joined, 8192);                                        \
  }

REPRISE_HOOK(int, execve, (const char* path, char* const* argv, char* const* env)) {
  REPRISE_WITH_ENVIRONMENT(env)
  return REPRISE_REAL(execve)(path, argv, with);
}
REPRISE_HOOK(int, execvpe, (const char* file, char* const* argv, char* const* env)) {
  REPRISE_WITH_ENVIRONMENT(env)
  return REPRISE_REAL(execvpe)(file, argv, with);
}
REPRISE_HOOK(int, fexecve, (int fd, char* const* argv, char* const* env)) {
  REPRISE_WITH_ENVIRONMENT(env)
  return REPRISE_REAL(fexecve)(fd, argv, with);
}
REPRISE_HOOK(int, execv, (const char* path, char* const* argv)) {
  REPRISE_WITH_ENVIRONMENT(environ)
  return REPRISE_REAL(execve)(path, argv, with);
}
REPRISE_HOOK(int, execvp, (const char* file, char* const* argv)) {
  REPRISE_WITH_ENVIRONMENT(environ)
  return REPRISE_REAL(execvpe)(file, argv, with);
}
REPRISE_HOOK(int, execveat,
             (int folder, const char* path, char* const* argv, char* const* env, int flags)) {
  REPRISE_WITH_ENVIRONMENT(env)
  return REPRISE_REAL(execveat)(folder, path, argv, with, flags);
}

// argv of the execl family, on the stack as libc does it; `last` is left at what follows the null.
#define REPRISE_ARGUMENTS(argv, first, last)                             \
  va_list counted;                                                       \
  size_t argc = 1;                                                       \
  va_start(last, first);                                                 \
  va_copy(counted, last);                                                \
  while (first != nullptr && va_arg(counted, char*) != nullptr) ++argc;  \
  va_end(counted);                                                       \
  char** argv = static_cast<char**>(alloca((argc + 1) * sizeof(char*))); \
  argv[0] = const_cast<char*>(first);                                    \
  for (size_t i = 1; i <= argc && argv[i - 1] != nullptr; ++i) argv[i] = va_arg(last, char*);

REPRISE_HOOK(int, execl, (const char* path, const char* first, ...)) {
  va_list list;
  REPRISE_ARGUMENTS(argv, first, list)
  va_end(list);
  REPRISE_WITH_ENVIRONMENT(environ)
  return REPRISE_REAL(execve)(path, argv, with);
}
REPRISE_HOOK(int, execlp, (const char* file, const char* first, ...)) {
  va_list list;
  REPRISE_ARGUMENTS(argv, first, list)
  va_end(list);
  REPRISE_WITH_ENVIRONMENT(environ)
  return REPRISE_REAL(execvpe)(file, argv, with);
}
REPRISE_HOOK(int, execle, (const char* path, const char* first, ...)) {
  va_list list;
  REPRISE_ARGUMENTS(argv, first, list)
  char** env = va_arg(list, char**);
  va_end(list);
  REPRISE_WITH_ENVIRONMENT(env)
  return REPRISE_REAL(execve)(path, argv, with);
}
REPRISE_HOOK(pid_t, fork, ()) {
  const pid_t pid = REPRISE_REAL(fork)();
  if (pid >= 0) {
    KeepErrno keep;
    note_fork(pid);
  }
  return pid;
}
REPRISE_HOOK(int, posix_spawn,
             (pid_t * pid, const char* path, const posix_spawn_file_actions_t* actions,
              const posix_spawnattr_t* attributes, char* const* argv, char* const* env)) {
  REPRISE_WITH_ENVIRONMENT(env)
  return REPRISE_REAL(posix_spawn)(pid, path, actions, attributes, argv, with);
}
REPRISE_HOOK(int, posix_spawnp,
             (pid_t * pid, const char* file, const posix_spawn_file_actions_t* actions,
              const posix_spawnattr_t* attributes, char* const* argv, char* const* env)) {
  REPRISE_WITH_ENVIRONMENT(env)
  return REPRISE_REAL(posix_spawnp)(pid, file, actions, attributes, argv, with);
}
// A library loaded with RTLD_DEEPBIND binds to libc past us: PHP loads its extensions so, curl with
// them. dlopen searches by its caller's RUNPATH and $ORIGIN, and knows the caller by the return
// address: this must stay a jump (tests/e2e/dlopen.py fails if it does not), so no object here may
// need destruction.
REPRISE_HOOK(void*, dlopen, (const char* path, int flags)) {
#ifdef RTLD_DEEPBIND
  if (arena() != nullptr) flags &= ~RTLD_DEEPBIND;
#endif
  return REPRISE_REAL(dlopen)(path, flags);
}

namespace reprise::hook {
namespace {
__attribute__((constructor)) void start() {
  resolve_all();
  if (getenv(REPRISE_ENV_ARENA_FD) == nullptr || !init_streams()) return;
  remember_environment();
  attach();
}
}  // namespace
}  // namespace reprise::hook
