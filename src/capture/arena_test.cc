#include "capture/arena.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <random>
#include <thread>

namespace reprise::capture {
namespace {

using hook::ChunkHeader;
using hook::kChunkSize;
using session::Event;
using session::EventType;

// The writing half, as hook/observe/writer.cc does it, without the rest of the library.
class Writer {
 public:
  explicit Writer(const Arena& arena) {
    struct stat st;
    fstat(arena.fd(), &st);
    size_ = static_cast<size_t>(st.st_size);
    header = static_cast<hook::ArenaHeader*>(
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, arena.fd(), 0));
    thread = __atomic_add_fetch(&header->next_thread, 1, __ATOMIC_RELAXED);
  }
  ~Writer() { munmap(header, size_); }

  bool put(hook::RecordType type, const void* body, size_t body_size, ByteView payload = "") {
    const size_t size = sizeof(hook::RecordHeader) + body_size + payload.size();
    if ((chunk == nullptr || head + size > kChunkSize) && !next_chunk()) {
      __atomic_add_fetch(&header->lost_records[hook::kLossArenaFull], 1, __ATOMIC_RELAXED);
      return false;
    }
    hook::RecordHeader h = {static_cast<uint16_t>(size), type, 0, 3, ++time};
    memcpy(data + head, &h, sizeof h);
    memcpy(data + head + sizeof h, body, body_size);
    memcpy(data + head + sizeof h + body_size, payload.data(), payload.size());
    head = (head + static_cast<uint32_t>(size) + 7) & ~7u;
    __atomic_store_n(&chunk->head, head, __ATOMIC_RELEASE);
    return true;
  }
  bool put_data(uint64_t stream, uint64_t offset, ByteView bytes) {
    const hook::DataBody body = {stream, offset};
    return put(hook::kRecordData, &body, sizeof body, bytes);
  }
  void announce() {
    struct stat st;
    stat("/proc/self/ns/pid", &st);
    const hook::ProcessBody body = {static_cast<uint32_t>(getpid()),
                                    static_cast<uint32_t>(getppid()), 0, 0, st.st_ino};
    put(hook::kRecordProcess, &body, sizeof body);
  }
  bool next_chunk() {
    if (chunk != nullptr) __atomic_store_n(&chunk->closed, 1, __ATOMIC_RELEASE);
    chunk = nullptr;
    const uint64_t token = uint64_t(getpid()) << 32 | static_cast<uint32_t>(gettid());
    for (uint32_t i = 0; i < header->chunk_count; ++i) {
      const uint32_t at = (first + i) % header->chunk_count;
      ChunkHeader* c = &hook::chunk_headers(header)[at];
      uint64_t none = 0;
      if (!__atomic_compare_exchange_n(&c->owner, &none, token, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED))
        continue;
      uint32_t high = __atomic_load_n(&header->chunk_high, __ATOMIC_RELAXED);
      while (high < at + 1 &&
             !__atomic_compare_exchange_n(&header->chunk_high, &high, at + 1, false,
                                          __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
      }
      c->thread = thread, c->sequence = ++sequence, c->closed = 0;
      __atomic_store_n(&c->head, 0, __ATOMIC_RELAXED);
      __atomic_store_n(&c->ready, 1, __ATOMIC_RELEASE);
      chunk = c, head = 0;
      data = hook::chunk_data(header, header->chunk_count, at);
      return true;
    }
    return false;
  }

  hook::ArenaHeader* header = nullptr;
  ChunkHeader* chunk = nullptr;
  uint8_t* data = nullptr;
  uint32_t head = 0;
  uint32_t first = 0;  // where the search for a chunk begins
  uint64_t thread = 0, sequence = 0, time = 0;

 private:
  size_t size_ = 0;
};

Arena make(uint64_t size = 1 << 20) {
  auto a = Arena::create(size, 0);
  EXPECT_TRUE(a) << (a ? "" : a.error().message);
  return std::move(*a);
}

TEST(Arena, WhatIsWrittenComesOutInOrder) {
  Arena a = make();
  Writer w(a);
  std::vector<Event> events;
  uint64_t next = 0;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 50; ++i)
      ASSERT_TRUE(w.put_data(1, next + static_cast<uint64_t>(i), Bytes(100, 'x')));
    events.clear();
    a.drain(events);
    a.release();
    ASSERT_EQ(events.size(), 50u);
    for (const Event& e : events) EXPECT_EQ(e.offset, next++);
  }
  EXPECT_EQ(a.stats().records, next);
  EXPECT_EQ(a.stats().damaged, 0u);
  EXPECT_LT(a.stats().chunks_high, 8u);  // given back, not used up
}

// Regression: chunks were taken out by their place in the arena, so a thread whose second chunk lay
// before its first one had its records turned round.
TEST(Arena, AThreadsOrderIsThatOfItsChunksNotOfTheirPlaces) {
  Arena a = make();
  Writer w(a);
  w.first = 10;
  for (uint64_t i = 0; i < 300; ++i) {
    if (i % 30 == 0) w.first = 9 - static_cast<uint32_t>(i / 30);
    ASSERT_TRUE(w.put_data(1, i, Bytes(200, 'x')));
  }
  std::vector<Event> events;
  a.drain(events);
  ASSERT_EQ(events.size(), 300u);
  for (uint64_t i = 0; i < 300; ++i) EXPECT_EQ(events[i].offset, i);
}

TEST(Arena, AFullArenaCountsAndRecovers) {
  Arena a = make(0);
  Writer w(a);
  uint64_t kept = 0;
  for (int i = 0; i < 2000; ++i) kept += w.put_data(1, 0, Bytes(1000, 'x'));
  EXPECT_LT(kept, 2000u);
  std::vector<Event> events;
  a.drain(events);
  EXPECT_EQ(events.size(), kept);
  EXPECT_EQ(a.stats().lost_records[hook::kLossArenaFull] + kept, 2000u);
  EXPECT_FALSE(w.put_data(1, 0, "y"));  // not before the events are safe
  a.release();
  EXPECT_TRUE(w.put_data(1, 0, "y"));
}

TEST(Arena, NothingIsLostOfAKilledWriter) {
  Arena a = make();
  std::mt19937 random(7);
  uint64_t* written = static_cast<uint64_t*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (uint64_t round = 1; round <= 100; ++round) {
    *written = 0;
    const pid_t child = fork();
    if (child == 0) {
      Writer w(a);
      w.announce();
      for (uint64_t i = 0;; ++i) {
        if (w.put_data(round, i, Bytes(i % 300, static_cast<char>(i))))
          __atomic_store_n(written, i + 1, __ATOMIC_RELEASE);
        if (w.chunk == nullptr) pause();
      }
    }
    const uint64_t aim = random() % 400;
    while (__atomic_load_n(written, __ATOMIC_ACQUIRE) < aim) {
      ASSERT_EQ(waitpid(child, nullptr, WNOHANG), 0) << "the writer ended by itself";
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    std::vector<Event> events;
    a.drain(events);
    a.release();
    uint64_t next = 0;
    for (const Event& e : events) {
      if (e.type != EventType::kData || e.stream != round) continue;
      ASSERT_EQ(e.offset, next);
      ASSERT_EQ(e.data, Bytes(next % 300, static_cast<char>(next)));
      ++next;
    }
    ASSERT_GE(next, *written);
    ASSERT_LE(next, *written + 1);
    // Its chunk comes back once it is known to be dead.
    if (round % 20 == 0) {
      for (int i = 0; a.stats().chunks_in_use > 0 && i < 1000; ++i) {
        usleep(10000);
        events.clear();
        a.drain(events);
        a.release();
      }
      ASSERT_EQ(a.stats().chunks_in_use, 0u);
    }
  }
  EXPECT_GT(a.stats().reclaimed, 0u);
  EXPECT_EQ(a.stats().damaged, 0u);
}

TEST(Arena, ManyThreadsAndOneCollector) {
  Arena a = make(4 << 20);
  constexpr uint64_t kThreads = 4, kRecords = 20000;
  std::atomic<uint64_t> lost{0}, running{kThreads};
  std::vector<std::thread> threads;
  for (uint64_t t = 1; t <= kThreads; ++t) {
    threads.emplace_back([&, t] {
      Writer w(a);
      for (uint64_t i = 0; i < kRecords; ++i) lost += !w.put_data(t, i, Bytes(50, 'x'));
      --running;
    });
  }
  std::map<uint64_t, uint64_t> last, count;
  std::vector<Event> events;
  bool more = true;
  while (more) {
    more = running > 0;
    events.clear();
    a.drain(events);
    a.release();
    for (const Event& e : events) {
      EXPECT_TRUE(count[e.stream] == 0 || e.offset > last[e.stream]);
      last[e.stream] = e.offset;
      ++count[e.stream];
    }
  }
  for (std::thread& t : threads) t.join();
  events.clear();
  a.drain(events, true);
  uint64_t total = events.size();
  for (const auto& [stream, n] : count) total += n;
  EXPECT_EQ(total + lost, kThreads * kRecords);
}

TEST(Arena, AHostileSubjectHarmsOnlyItsRecords) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 60; ++round) {
    Arena a = make(0);
    Writer w(a), good(a);
    good.first = 40;
    for (int i = 0; i < 20; ++i) w.put_data(1, 0, Bytes(300, 'x'));
    for (int i = 0; i < 20; ++i) good.put_data(2, 0, "fine");
    const uint32_t n = w.header->chunk_count;
    for (int i = 0; i < 20; ++i) {  // anything in the first chunks' headers and data
      const uint32_t at = static_cast<uint32_t>(random() % 30);
      auto* c = reinterpret_cast<uint8_t*>(&hook::chunk_headers(w.header)[at]);
      c[random() % 40] = static_cast<uint8_t>(random());
      if (round % 2 == 0) hook::chunk_headers(w.header)[at].head = static_cast<uint32_t>(random());
      hook::chunk_data(w.header, n, at)[random() % kChunkSize] = static_cast<uint8_t>(random());
    }
    w.header->chunk_high = round % 3 == 0 ? UINT32_MAX : w.header->chunk_high;
    w.header->chunk_count = round % 5 == 0 ? UINT32_MAX : n;
    std::vector<Event> events;
    for (int turn = 0; turn < 3; ++turn) {
      a.drain(events, turn == 2);
      a.release();
    }
    size_t fine = 0;
    for (const Event& e : events) fine += e.stream == 2 && e.data == "fine";
    EXPECT_GE(fine, 20u);
  }
}

TEST(Arena, MoreThanThereIsIsRefused) {
  const auto a = Arena::create(uint64_t{1} << 50, 0);
  ASSERT_FALSE(a);
  EXPECT_EQ(a.error().kind, ErrorKind::kEnvironment);
}

TEST(Arena, TellsTheSubjectToStepAside) {
  auto a = std::make_unique<Arena>(make());
  Writer w(*a);
  EXPECT_EQ(w.header->gone, 0u);
  EXPECT_GT(w.header->patience, 0u);
  a.reset();
  EXPECT_EQ(w.header->gone, 1u);
}

}  // namespace
}  // namespace reprise::capture
