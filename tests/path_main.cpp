// Runs tests on the path that LEMUR_CPU names; exits with 77 (skipped) where the machine lacks it.
#include <gtest/gtest.h>

#include <cstdio>

#include "lemur/base/error.h"
#include "lemur/simd/path.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  try {
    lemur::simd::path();
  } catch (const lemur::InvalidArgument& error) {
    std::printf("skipped: %s\n", error.what());
    return 77;
  }
  return RUN_ALL_TESTS();
}
