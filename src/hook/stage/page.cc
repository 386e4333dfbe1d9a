// Finding and mapping the shared page.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/stage/stage.h"

namespace reprise::stage {
namespace {

Page* page_;
int state_;  // 0 not looked for, 1 read-only, 2 writable, -1 none

Page* try_map(int fd, int protection) {
  void* at = mmap(nullptr, sizeof(Page), protection, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return nullptr;
  auto* p = static_cast<Page*>(at);
  // A file of the right kind and size; else touching it could kill the subject.
  if (lseek(fd, 0, SEEK_END) >= static_cast<off_t>(sizeof(Page)) && p->magic == kPageMagic &&
      p->version == kPageVersion && p->size == sizeof(Page))
    return p;
  munmap(at, sizeof(Page));
  return nullptr;
}

bool take(int fd) {
  const int protections[] = {PROT_READ | PROT_WRITE, PROT_READ};
  for (const int protection : protections) {
    Page* p = try_map(fd, protection);
    if (p == nullptr) continue;
    page_ = p;
    __atomic_store_n(&state_, protection == PROT_READ ? 1 : 2, __ATOMIC_RELEASE);
    return true;
  }
  return false;
}

void find() {
  const int kept = errno;
  const char* path = getenv(kPageVariable);
  const char* number = getenv(kFdVariable);
  bool found = number != nullptr && take(atoi(number));
  if (!found && path != nullptr) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      found = take(fd);
      close(fd);
    }
  }
  if (!found) __atomic_store_n(&state_, -1, __ATOMIC_RELEASE);
  errno = kept;
}

__attribute__((constructor)) void at_load() { page(); }

}  // namespace

Page* page() {
  const int state = __atomic_load_n(&state_, __ATOMIC_ACQUIRE);
  if (__builtin_expect(state > 0, 1)) return page_;
  if (state < 0) return nullptr;
  // The environment is not there yet in the first moments of a process.
  if (environ == nullptr) return nullptr;
  find();
  return page_;
}

bool page_is_writable() { return page() != nullptr && state_ == 2; }

}  // namespace reprise::stage
