#include "net/loop.h"

#include <time.h>

#include <algorithm>
#include <cerrno>

namespace reprise::net {

Result<std::unique_ptr<Loop>> Loop::create() {
  auto loop = std::make_unique<Loop>();
  loop->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!loop->epoll_) return fail_errno("epoll_create");
  return loop;
}

int64_t Loop::now_ns() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t(t.tv_sec) * 1000000000 + t.tv_nsec;
}

Status Loop::add(int fd, uint32_t events, Callback callback) {
  epoll_event e{events, {.fd = fd}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &e) != 0) return fail_errno("epoll_ctl");
  watches_[fd] = std::make_shared<Watch>(Watch{std::move(callback), ++serial_});
  return {};
}

void Loop::change(int fd, uint32_t events) {
  epoll_event e{events, {.fd = fd}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &e);
}

void Loop::remove(int fd) {
  if (watches_.erase(fd) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::after(int64_t delay_ns, std::function<void()> callback) {
  timers_.emplace(now_ns() + delay_ns, std::move(callback));
}

bool Loop::run(const std::function<bool()>& done, int64_t deadline_ns) {
  epoll_event ready[64];
  while (!done()) {
    const int64_t now = now_ns();
    if (!timers_.empty() && timers_.begin()->first <= now) {
      const std::function<void()> callback = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      callback();
      continue;
    }
    int64_t left = deadline_ns - now;
    if (left <= 0) return false;
    if (!timers_.empty()) left = std::min(left, timers_.begin()->first - now);
    const int wait_ms = static_cast<int>(std::min<int64_t>((left + 999999) / 1000000, 1000));
    const int n = ::epoll_wait(epoll_.get(), ready, 64, wait_ms);
    if (n < 0 && errno != EINTR) return false;
    const uint64_t newest = serial_;
    for (int i = 0; i < n; ++i) {
      const auto it = watches_.find(ready[i].data.fd);
      // Removed by an earlier callback of this round, or its number was taken by a newer descriptor.
      if (it == watches_.end() || it->second->serial > newest) continue;
      const std::shared_ptr<Watch> watch = it->second;
      watch->callback(ready[i].events);
    }
  }
  return true;
}

}  // namespace reprise::net
