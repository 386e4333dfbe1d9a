// The functions behind ours, looked up once.
#pragma once

#include <dlfcn.h>
#include <netdb.h>
#include <spawn.h>

#include "hook/observe/platform.h"

// name, return type, arguments
#define REPRISE_REAL_FUNCTIONS(X)                                                      \
  X(read, ssize_t, (int, void*, size_t))                                               \
  X(__read_chk, ssize_t, (int, void*, size_t, size_t))                                 \
  X(readv, ssize_t, (int, const iovec*, int))                                          \
  X(write, ssize_t, (int, const void*, size_t))                                        \
  X(writev, ssize_t, (int, const iovec*, int))                                         \
  X(recv, ssize_t, (int, void*, size_t, int))                                          \
  X(__recv_chk, ssize_t, (int, void*, size_t, size_t, int))                            \
  X(recvfrom, ssize_t, (int, void*, size_t, int, sockaddr*, socklen_t*))               \
  X(__recvfrom_chk, ssize_t, (int, void*, size_t, size_t, int, sockaddr*, socklen_t*)) \
  X(recvmsg, ssize_t, (int, msghdr*, int))                                             \
  X(recvmmsg, int, (int, mmsghdr*, unsigned, int, timespec*))                          \
  X(send, ssize_t, (int, const void*, size_t, int))                                    \
  X(sendto, ssize_t, (int, const void*, size_t, int, const sockaddr*, socklen_t))      \
  X(sendmsg, ssize_t, (int, const msghdr*, int))                                       \
  X(sendmmsg, int, (int, mmsghdr*, unsigned, int))                                     \
  X(sendfile, ssize_t, (int, int, off_t*, size_t))                                     \
  X(sendfile64, ssize_t, (int, int, off_t*, size_t))                                   \
  X(splice, ssize_t, (int, loff_t*, int, loff_t*, size_t, unsigned))                   \
  X(listen, int, (int, int))                                                           \
  X(socketpair, int, (int, int, int, int*))                                            \
  X(socket, int, (int, int, int))                                                      \
  X(accept, int, (int, sockaddr*, socklen_t*))                                         \
  X(accept4, int, (int, sockaddr*, socklen_t*, int))                                   \
  X(connect, int, (int, const sockaddr*, socklen_t))                                   \
  X(shutdown, int, (int, int))                                                         \
  X(getsockopt, int, (int, int, int, void*, socklen_t*))                               \
  X(getaddrinfo, int, (const char*, const char*, const addrinfo*, addrinfo**))         \
  X(fclose, int, (FILE*))                                                              \
  X(close, int, (int))                                                                 \
  X(close_range, int, (unsigned, unsigned, int))                                       \
  X(closefrom, void, (int))                                                            \
  X(dup, int, (int))                                                                   \
  X(dup2, int, (int, int))                                                             \
  X(dup3, int, (int, int, int))                                                        \
  X(fcntl, int, (int, int, ...))                                                       \
  X(fcntl64, int, (int, int, ...))                                                     \
  X(syscall, long, (long, ...))                                                        \
  X(fork, pid_t, ())                                                                   \
  X(execveat, int, (int, const char*, char* const*, char* const*, int))                \
  X(execve, int, (const char*, char* const*, char* const*))                            \
  X(execvpe, int, (const char*, char* const*, char* const*))                           \
  X(fexecve, int, (int, char* const*, char* const*))                                   \
  X(execv, int, (const char*, char* const*))                                           \
  X(execvp, int, (const char*, char* const*))                                          \
  X(posix_spawn, int,                                                                  \
    (pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*, \
     char* const*, char* const*))                                                      \
  X(posix_spawnp, int,                                                                 \
    (pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*, \
     char* const*, char* const*))                                                      \
  X(dlopen, void*, (const char*, int))

namespace reprise::hook {

struct RealFunctions {
#define X(name, ret, args) ret(*name) args;
  REPRISE_REAL_FUNCTIONS(X)
#undef X
};
extern RealFunctions g_real;
void resolve_all();

}  // namespace reprise::hook

// The real function; resolves on first use, since other constructors may call in before ours ran.
#define REPRISE_REAL(name)                                      \
  (__builtin_expect(::reprise::hook::g_real.name != nullptr, 1) \
       ? ::reprise::hook::g_real.name                           \
       : (::reprise::hook::resolve_all(), ::reprise::hook::g_real.name))
