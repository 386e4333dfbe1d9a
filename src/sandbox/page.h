// The shared page of hook/abi/stage_abi.h, as the replay holds it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "hook/abi/stage_abi.h"
#include "sandbox/stage.h"

namespace reprise::sandbox {

struct MockPorts {
  uint16_t tcp = 0, tcp6 = 0, dns = 0, dns6 = 0;
};

class SharedPage {
 public:
  SharedPage() = default;
  ~SharedPage();
  SharedPage(const SharedPage&) = delete;
  SharedPage& operator=(const SharedPage&) = delete;

  // Maps a file of at least sizeof(Page) and writes the heading. The caller keeps the descriptor.
  Status map(int fd);
  explicit operator bool() const { return page_ != nullptr; }
  stage::Page* get() { return page_; }
  void set_clock_offset(int64_t nanoseconds);

  // The tables of the fallback. Fails if the configuration has more than they hold.
  Status set_redirects(const StageConfig& config, const MockPorts& ports,
                       const std::function<std::string(size_t)>& unix_alias);
  void set_refused(const std::vector<Address>& refused);  // what does not fit is left out
  // Where the connection with this local port of the subject wanted to go.
  Result<Address> origin(uint16_t port) const;

 private:
  stage::Page* page_ = nullptr;
};

}  // namespace reprise::sandbox
