#include "net/loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace reprise::net {

TEST(Loop, DispatchesUntilDone) {
  auto loop = Loop::create();
  ASSERT_TRUE(loop);
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  Fd a(pair[0]), b(pair[1]);
  char c = 0;
  ASSERT_TRUE((*loop)->add(a.get(), EPOLLIN, [&](uint32_t) { ASSERT_EQ(read(a.get(), &c, 1), 1); }));
  ASSERT_EQ(write(b.get(), "x", 1), 1);
  EXPECT_TRUE((*loop)->run([&] { return c == 'x'; }, Loop::now_ns() + 5000000000));
}

TEST(Loop, DeadlineEndsIt) {
  auto loop = Loop::create();
  ASSERT_TRUE(loop);
  EXPECT_FALSE((*loop)->run([] { return false; }, Loop::now_ns() + 1000000));
}

TEST(Loop, TimersFireInOrder) {
  auto loop = Loop::create();
  ASSERT_TRUE(loop);
  std::string order;
  (*loop)->after(2000000, [&] { order += 'b'; });
  (*loop)->after(1000000, [&] { order += 'a'; });
  EXPECT_TRUE((*loop)->run([&] { return order.size() == 2; }, Loop::now_ns() + 5000000000));
  EXPECT_EQ(order, "ab");
}

TEST(Loop, CallbackMayRemoveAnother) {
  auto loop = Loop::create();
  ASSERT_TRUE(loop);
  int p[2], q[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, q), 0);
  int calls = 0;
  const auto once = [&](uint32_t) {
    ++calls;
    (*loop)->remove(p[0]), (*loop)->remove(q[0]);
  };
  ASSERT_TRUE((*loop)->add(p[0], EPOLLIN, once));
  ASSERT_TRUE((*loop)->add(q[0], EPOLLIN, once));
  ASSERT_EQ(write(p[1], "x", 1) + write(q[1], "x", 1), 2);
  EXPECT_TRUE((*loop)->run([&] { return calls > 0; }, Loop::now_ns() + 5000000000));
  EXPECT_FALSE((*loop)->run([&] { return calls > 1; }, Loop::now_ns() + 5000000));
  for (int fd : {p[0], p[1], q[0], q[1]}) close(fd);
}

}  // namespace reprise::net
