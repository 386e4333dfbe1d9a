#include "sandbox/channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace reprise::sandbox {

Bytes pack(const Fields& fields) {
  Bytes out;
  for (const std::string& f : fields) put_le32(out, static_cast<uint32_t>(f.size())), out += f;
  return out;
}

Result<Fields> unpack(ByteView bytes) {
  Fields out;
  while (!bytes.empty()) {
    if (bytes.size() < 4 || le32(bytes, 0) > bytes.size() - 4) return fail("stage: torn message");
    const uint32_t size = le32(bytes, 0);
    out.emplace_back(bytes.substr(4, size));
    bytes.remove_prefix(4 + size);
  }
  return out;
}

Status send(int channel, const Message& message) {
  Bytes body = pack(message.fields);
  if (body.size() > kMaxMessage || message.fds.size() > kMaxFds)
    return fail(fmt::format("stage: message of {} bytes and {} descriptors is too large",
                            body.size(), message.fds.size()));
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  iovec iov{body.data(), body.size()};
  msghdr header{};
  header.msg_iov = &iov;
  header.msg_iovlen = 1;
  if (!message.fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(message.fds.size() * sizeof(int));
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(message.fds.size() * sizeof(int));
    for (size_t i = 0; i < message.fds.size(); ++i) {
      const int fd = message.fds[i].get();
      std::memcpy(CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
    }
  }
  ssize_t n;
  do {
    n = sendmsg(channel, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return fail_errno("stage: send");
  return {};
}

Result<Message> receive(int channel, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd p{channel, POLLIN, 0};
    const int ready = poll(&p, 1, left.count() < 0 ? 0 : static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return fail_errno("stage: poll");
    if (ready == 0) return fail(fmt::format("stage: no answer within {} ms", timeout.count()));
    break;
  }
  const ssize_t size = recv(channel, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
  if (size < 0) return fail_errno("stage: receive");
  if (size == 0) return fail("stage: its init process is gone");
  Bytes body(static_cast<size_t>(size), '\0');
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  iovec iov{body.data(), body.size()};
  msghdr header{};
  header.msg_iov = &iov;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  if (recvmsg(channel, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != size)
    return fail_errno("stage: receive");
  Message out;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
      out.fds.emplace_back(fd);
    }
  }
  REPRISE_ASSIGN(out.fields, unpack(body));
  if (out.fields.empty()) return fail("stage: empty message");
  return out;
}

}  // namespace reprise::sandbox
