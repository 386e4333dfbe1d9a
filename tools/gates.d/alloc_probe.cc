// A subject in small, with what its hook library needs to attach. Without an argument it makes the
// shared memory and starts itself again with "run"; then it prints
//
//   constructors=N traffic=N attached=N
//
// N: allocations before main and in a round of every kind of hooked call, as alloc_counter.c
// counted them; and whether the library found its shared memory (it must, or nothing was tested).
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hook/abi/arena.h"
#include "hook/abi/stage_abi.h"

extern "C" __attribute__((weak)) unsigned long gate_allocations;

namespace {

constexpr uint32_t kChunks = 64;

int make_memory(const char* variable, size_t size) {
  const int fd = memfd_create("gate", 0);
  if (fd < 0 || ftruncate(fd, static_cast<off_t>(size)) != 0) exit(3);
  char text[16];
  snprintf(text, sizeof text, "%d", fd);
  setenv(variable, text, 1);
  return fd;
}

template <class T>
T* map(int fd, size_t size) {
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) exit(3);
  return static_cast<T*>(p);
}

void launch(char* self) {
  const char* preload = getenv("GATE_PRELOAD");
  auto* arena = map<reprise::hook::ArenaHeader>(
      make_memory(REPRISE_ENV_ARENA_FD, reprise::hook::arena_size(kChunks)),
      reprise::hook::arena_size(kChunks));
  arena->magic = reprise::hook::kArenaMagic;
  arena->version = reprise::hook::kArenaVersion;
  arena->chunk_count = kChunks;
  auto* page = map<reprise::stage::Page>(
      make_memory(reprise::stage::kFdVariable, sizeof(reprise::stage::Page)),
      sizeof(reprise::stage::Page));
  page->magic = reprise::stage::kPageMagic;
  page->version = reprise::stage::kPageVersion;
  page->size = sizeof(reprise::stage::Page);
  page->clock_offset_ns = -1000000000ll * 86400 * 365 * 20;  // twenty years back: easy to see
  if (preload != nullptr) setenv("LD_PRELOAD", preload, 1);
  char run[] = "run";
  char* const argv[] = {self, run, nullptr};
  execv("/proc/self/exe", argv);
  exit(3);
}

void exchange() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (bind(listener, reinterpret_cast<sockaddr*>(&at), size) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
    exit(4);
  }
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(client, reinterpret_cast<sockaddr*>(&at), size) != 0) exit(5);
  const int server = accept(listener, nullptr, nullptr);
  static char bytes[10000];
  if (send(client, bytes, sizeof bytes, 0) != sizeof bytes) exit(6);
  for (size_t got = 0; got < sizeof bytes;) {
    const ssize_t n = read(server, bytes, sizeof bytes);
    if (n <= 0) exit(7);
    got += static_cast<size_t>(n);
  }
  if (write(server, "x", 1) != 1 || recv(client, bytes, 1, 0) != 1) exit(8);
  const int copy = dup(client);
  shutdown(client, SHUT_WR);
  close(copy), close(client), close(server), close(listener);
}

void clocks_and_files() {
  timespec ts;
  timeval tv;
  struct stat st;
  const timespec moment = {0, 1000};
  clock_gettime(CLOCK_REALTIME, &ts), gettimeofday(&tv, nullptr), time(nullptr);
  stat("/proc/self/exe", &st), nanosleep(&moment, nullptr);
}

void child() {
  const pid_t pid = fork();
  if (pid == 0) {
    exchange();
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (status != 0) exit(9);
}

bool attached() {
  const char* number = getenv(REPRISE_ENV_ARENA_FD);
  const auto* arena = map<reprise::hook::ArenaHeader>(number != nullptr ? atoi(number) : -1,
                                                      reprise::hook::arena_size(kChunks));
  timespec truth = {};
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &truth);
  // Two processes wrote streams, or the clock is off by what the page says.
  return (arena->processes == 2 && arena->next_stream >= 4) ||
         truth.tv_sec - time(nullptr) > 1000000;
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned long before = &gate_allocations != nullptr ? gate_allocations : 0;
  if (argc < 2) launch(argv[0]);
  exchange();
  clocks_and_files();
  child();
  const unsigned long after = &gate_allocations != nullptr ? gate_allocations : 0;
  printf("constructors=%lu traffic=%lu attached=%d counting=%d\n", before, after - before,
         attached(), &gate_allocations != nullptr);
  return 0;
}
