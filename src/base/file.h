// Descriptors and whole files.
#pragma once

#include <unistd.h>

#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

namespace reprise {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  Fd& operator=(Fd&& o) noexcept {
    if (this != &o) reset(std::exchange(o.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

Result<Bytes> read_file(const std::string& path);
// Through a temporary file in the same folder and rename; mode 0600. Never half a file.
Status replace_file(const std::string& path, ByteView content);
Status write_all(int fd, ByteView bytes);

}  // namespace reprise
