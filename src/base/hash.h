// Hashes: XXH3 for checksums and digests, never for secrets.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace reprise {

uint64_t xxh3_64(ByteView bytes);

// Streaming XXH3-128.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  void add(ByteView bytes);
  std::string hex() const;  // 32 lower-case digits

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace reprise
