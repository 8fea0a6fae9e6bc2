// Counts the floating-point operations of the products that the loops on the CPU execute.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace lemur {

/// What the operations are for.
enum class FlopPart : uint8_t { kOther, kEncoders, kHistories, kRanker };
inline constexpr size_t kNumFlopParts = 4;

/// Names of the parts, in the order of FlopPart.
inline constexpr std::array<const char*, kNumFlopParts> kFlopPartNames = {"other", "encoders",
                                                                          "histories", "ranker"};

using Flops = std::array<int64_t, kNumFlopParts>;

/// Returns the operations by part that all threads have executed since the program began. Matrix
/// products, dots and weighted sums of rows count, a multiplication and an addition as two;
/// normalisation, softmax, activations, products in 8 bits and what runs on a GPU do not. To be
/// called while no other thread computes.
Flops counted_flops();

/// Adds operations to the part at hand. For kernels; cheap, without a lock or an allocation.
void count_flops(int64_t operations);

/// Returns the part at hand, kOther outside of all scopes.
FlopPart current_flop_part();

/// While it lives, what is computed is for `part`, on all threads: one thread at a time may have
/// scopes that count. Operations with a gradient remember the part for their backward pass.
class FlopScope {
 public:
  explicit FlopScope(FlopPart part);
  ~FlopScope();
  FlopScope(const FlopScope&) = delete;
  FlopScope& operator=(const FlopScope&) = delete;

 private:
  FlopPart before_;
};

}  // namespace lemur
