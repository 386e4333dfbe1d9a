#include "sandbox/sockets.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "sandbox/stage.h"

namespace reprise::sandbox {
namespace {

void bind_client(int socket, const Address& from) {
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto exact = SockAddr::from(from);
  if (exact && bind(socket, exact->get(), exact->length()) == 0) return;
  // The recorded port may still be in TIME_WAIT from the session before.
  auto loose = SockAddr::from({from.family, from.ip_or_path, 0});
  if (loose) (void)!bind(socket, loose->get(), loose->length());
}

}  // namespace

Result<Fd> bound_socket(const Address& address, int type) {
  REPRISE_ASSIGN(SockAddr kernel, SockAddr::from(address));
  Fd fd(socket(kernel.get()->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("socket for " + to_string(address));
  const int on = 1;
  if (address.family == Address::kIp6)
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  const bool path = address.family == Address::kUnix && !address.ip_or_path.starts_with('@');
  if (path) {
    unlink(address.ip_or_path.c_str());
  } else if (address.family != Address::kUnix) {
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  if (bind(fd.get(), kernel.get(), kernel.length()) != 0)
    return fail_errno("bind " + to_string(address));
  if (path) chmod(address.ip_or_path.c_str(), 0777);
  if (type == SOCK_STREAM && listen(fd.get(), 4096) != 0)
    return fail_errno("listen on " + to_string(address));
  return fd;
}

Result<bool> connect_socket(int fd, const Address& to, const std::optional<Address>& from,
                            std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  REPRISE_ASSIGN(SockAddr kernel, SockAddr::from(to));
  if (from && from->family == to.family && to.family != Address::kUnix) bind_client(fd, *from);
  const std::string what = "connect to " + to_string(to);
  if (::connect(fd, kernel.get(), kernel.length()) == 0) return true;
  if (errno == EADDRNOTAVAIL && from && from->port != 0) return false;
  if (errno != EINPROGRESS) return fail_errno(what);
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd p{fd, POLLOUT, 0};
    const int ready = poll(&p, 1, left.count() < 0 ? 0 : static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return fail_errno(what);
    if (ready == 0) return fail(fmt::format("{}: no answer within {} ms", what, timeout.count()));
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    errno = error;
    if (error != 0) return fail_errno(what);
    return true;
  }
}

Result<Address> original_destination_by_nat(int accepted) {
  SockAddr out;
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (getsockname(accepted, reinterpret_cast<sockaddr*>(&own), &size) != 0)
    return fail_errno("getsockname");
  // SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST; their headers clash with netinet/in.h.
  constexpr int kOriginalDst = 80;
  const bool v6 = own.ss_family == AF_INET6;
  if (getsockopt(accepted, v6 ? SOL_IPV6 : SOL_IP, kOriginalDst, out.get(), out.room()) != 0)
    return fail_errno("original destination");
  return from_sockaddr(out.get(), out.length());
}

}  // namespace reprise::sandbox
