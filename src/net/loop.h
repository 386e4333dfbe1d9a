// An event loop over epoll: one thread, callbacks for descriptors and for moments. A lane of a
// replay runs its driver and its mock on one loop, so that neither needs a lock.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace reprise::net {

class Loop {
 public:
  using Callback = std::function<void(uint32_t events)>;

  static Result<std::unique_ptr<Loop>> create();

  // fd stays the caller's. A callback may add and remove any descriptor, its own included.
  Status add(int fd, uint32_t events, Callback callback);
  void change(int fd, uint32_t events);
  void remove(int fd);

  // Calls back once, not before delay_ns from now.
  void after(int64_t delay_ns, std::function<void()> callback);

  // Dispatches until done() is true or the monotonic clock passes deadline_ns. True if done.
  bool run(const std::function<bool()>& done, int64_t deadline_ns);

  static int64_t now_ns();  // monotonic

 private:
  struct Watch {
    Callback callback;
    uint64_t serial;
  };
  Fd epoll_;
  std::unordered_map<int, std::shared_ptr<Watch>> watches_;
  uint64_t serial_ = 0;
  std::multimap<int64_t, std::function<void()>> timers_;
};

}  // namespace reprise::net
