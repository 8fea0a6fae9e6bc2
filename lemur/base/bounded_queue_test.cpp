#include "lemur/base/bounded_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace lemur {
namespace {

using namespace std::chrono_literals;

TEST(BoundedQueue, ReturnsItemsInTheirOrder) {
  for (int size : {0, 1, 31, 32, 33}) {
    BoundedQueue<int> queue(33);
    for (int i = 0; i < size; ++i) EXPECT_TRUE(queue.push(i));
    queue.close();
    for (int i = 0; i < size; ++i) EXPECT_EQ(queue.pop(), i);
    EXPECT_FALSE(queue.pop().has_value());
  }
}

TEST(BoundedQueue, HoldsAPusherBackWhileItIsFull) {
  BoundedQueue<int> queue(2);
  std::atomic<int> pushed = 0;
  std::thread pusher([&] {
    for (int i = 0; i < 5; ++i) {
      queue.push(i);
      ++pushed;
    }
  });
  while (pushed < 2) std::this_thread::yield();
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(pushed, 2);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(queue.pop(), i);
  pusher.join();
  EXPECT_EQ(pushed, 5);
}

TEST(BoundedQueue, RefusesPushesOnceClosedButDrains) {
  BoundedQueue<int> queue(4);
  EXPECT_TRUE(queue.push(1));
  queue.close();
  EXPECT_FALSE(queue.push(2));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_FALSE(queue.pop().has_value());
}

TEST(BoundedQueue, WakesWhoeverWaitsWhenItCloses) {
  BoundedQueue<int> empty(1), full(1);
  full.push(1);
  std::thread popper([&] { EXPECT_FALSE(empty.pop().has_value()); });
  std::thread pusher([&] { EXPECT_FALSE(full.push(2)); });
  std::this_thread::sleep_for(10ms);
  empty.close();
  full.close();
  popper.join();
  pusher.join();
}

TEST(BoundedQueue, MovesItemsThatCannotBeCopied) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  queue.push(std::make_unique<int>(7));
  EXPECT_EQ(**queue.pop(), 7);
}

TEST(BoundedQueue, LosesAndRepeatsNothingBetweenManyThreads) {
  constexpr int kThreads = 4, kItems = 2000;
  BoundedQueue<int> queue(3);
  std::vector<std::thread> pushers, poppers;
  std::vector<std::vector<int>> popped(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    pushers.emplace_back([&, t] {
      for (int i = 0; i < kItems; ++i) queue.push(t * kItems + i);
    });
    poppers.emplace_back([&, t] {
      while (auto item = queue.pop()) popped[static_cast<size_t>(t)].push_back(*item);
    });
  }
  for (auto& thread : pushers) thread.join();
  queue.close();
  for (auto& thread : poppers) thread.join();
  std::vector<int> all;
  for (const auto& items : popped) all.insert(all.end(), items.begin(), items.end());
  std::ranges::sort(all);
  ASSERT_EQ(all.size(), size_t{kThreads * kItems});
  for (int i = 0; i < kThreads * kItems; ++i) ASSERT_EQ(all[static_cast<size_t>(i)], i);
}

}  // namespace
}  // namespace lemur
