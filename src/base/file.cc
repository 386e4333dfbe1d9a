#include "base/file.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>

namespace reprise {

Result<Bytes> read_file(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("read " + path);
  Bytes out;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read " + path);
    if (n == 0) return out;
    out.append(buffer, static_cast<size_t>(n));
  }
}

Status write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Status replace_file(const std::string& path, ByteView content) {
  const std::string temporary = path + ".new";
  Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return fail_errno("write " + temporary);
  if (auto s = write_all(fd.get(), content); !s) {
    ::unlink(temporary.c_str());
    return fail(temporary + ": " + s.error().message);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno("write " + path);
  return {};
}

}  // namespace reprise
