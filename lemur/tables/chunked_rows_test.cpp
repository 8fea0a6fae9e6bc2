#include "lemur/tables/chunked_rows.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace lemur {
namespace {

/// Grows row by row to `size` and checks that every row keeps its place and its values.
void grow_and_check(int64_t width, int64_t size) {
  ChunkedRows<float> rows(width);
  std::vector<const float*> places;
  for (int64_t i = 0; i < size; ++i) {
    rows.grow(i + 1);
    rows.row(i)[0] = static_cast<float>(i);
    rows.row(i)[width - 1] = static_cast<float>(i);
    places.push_back(rows.row(i));
  }
  for (int64_t i = 0; i < size; ++i) {
    ASSERT_EQ(rows.row(i), places[static_cast<size_t>(i)]);
    ASSERT_EQ(rows.row(i)[0], static_cast<float>(i));
    ASSERT_EQ(rows.row(i)[width - 1], static_cast<float>(i));
  }
  int64_t seen = 0;
  std::as_const(rows).for_each_piece([&](std::span<const float> piece) {
    for (size_t at = 0; at < piece.size(); at += static_cast<size_t>(width))
      ASSERT_EQ(piece[at], static_cast<float>(seen++));
  });
  EXPECT_EQ(seen, size);
  const int64_t needed = size * rows.row_bytes();
  EXPECT_GE(rows.size_bytes(), needed);
  EXPECT_LE(rows.size_bytes(), needed + needed / 4 + (int64_t{4} << 20));
}

TEST(ChunkedRows, KeepTheirPlacesWhileTheyGrowIntoHugePages) {
  grow_and_check(/*width=*/1, 3);
  grow_and_check(/*width=*/128, 20'000);  // 10 MB: chunks of a quarter of a huge page
  grow_and_check(/*width=*/100, 20'000);  // chunks that do not divide one
  grow_and_check(/*width=*/700, 5'000);   // chunks larger than one
}

TEST(ChunkedRows, BeginSlabsAtHugePages) {
  ChunkedRows<float> rows(128);
  rows.grow(20'000);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(rows.row(16'384)) % kHugePage, 0);
}

TEST(HugePages, SmallBlocksAreOrdinary) {
  const PagedArray<char> memory(static_cast<char*>(allocate_pages(100)));
  ASSERT_NE(memory, nullptr);
  EXPECT_THROW(HugePageAllocator<double>().allocate(SIZE_MAX / 4), std::bad_alloc);
}

}  // namespace
}  // namespace lemur
