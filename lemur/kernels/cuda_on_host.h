// CUDA's block model on the host, so that tests compile the very kernels as C++ and run them.
//
// The threads of a block are fibers on one system thread, and blocks run one after the other, so
// static storage serves as shared memory. A fiber gives way only where its warp or its block waits
// for all; where they never meet the kernel is wrong, and the launch throws.
#pragma once

#include <c10/util/Half.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

// The names of CUDA's language.
#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static

struct dim3 {
  unsigned int x = 1, y = 1, z = 1;
};

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace lemur::cuda_on_host {

constexpr int kWarp = 32;
constexpr size_t kStackBytes = 64 * 1024;

enum class Waits { kNot, kWarp, kBlock };

/// The thread of a block that runs now and those that wait.
class Block {
 public:
  struct Fiber {
    ucontext_t context;
    Waits waits = Waits::kNot;
    bool done = false;
    int shuffles = 0;             // done so far; their parity chooses a slot
    unsigned long long slots[2];  // what the lane offers to its warp
  };

  Block(unsigned int threads, const std::function<void()>& body) : body_(body), fibers_(threads) {
    for (unsigned int t = 0; t < threads; ++t) start(t);
  }

  void run() {
    current() = this;
    while (run_those_that_may() || release()) {
    }
    for (const Fiber& fiber : fibers_)
      if (!fiber.done) throw std::logic_error("[cuda on host] threads wait for others in vain");
  }

  static Block*& current() {
    static Block* block = nullptr;
    return block;
  }

  void wait(Waits what) {
    Fiber& fiber = fibers_[running_];
    fiber.waits = what;
    swapcontext(&fiber.context, &scheduler_);
  }

  /// Returns what lane `other` of the warp offers; every lane of the warp calls it.
  template <typename T>
  T exchange(T value, unsigned int other) {
    static_assert(sizeof(T) <= sizeof(unsigned long long));
    Fiber& fiber = fibers_[running_];
    const int slot = fiber.shuffles++ & 1;
    std::memcpy(&fiber.slots[slot], &value, sizeof(T));
    const unsigned int lane = running_ / kWarp * kWarp + other;
    wait(Waits::kWarp);
    std::memcpy(&value, &fibers_.at(lane).slots[slot], sizeof(T));
    return value;
  }

  unsigned int lane() const { return running_ % kWarp; }

 private:
  void start(unsigned int t) {
    Fiber& fiber = fibers_[t];
    static std::vector<std::unique_ptr<char[]>> stacks;  // kept for the next block
    while (stacks.size() <= t)
      stacks.push_back(std::make_unique_for_overwrite<char[]>(kStackBytes));
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stacks[t].get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = &scheduler_;
    makecontext(&fiber.context, &Block::enter, 0);
  }

  static void enter() {
    Block& block = *current();
    block.body_();
    block.fibers_[block.running_].done = true;
  }

  bool run_those_that_may() {
    bool any = false;
    for (unsigned int t = 0; t < fibers_.size(); ++t) {
      if (fibers_[t].done || fibers_[t].waits != Waits::kNot) continue;
      any = true;
      running_ = t;
      threadIdx.x = t;
      swapcontext(&scheduler_, &fibers_[t].context);
    }
    return any;
  }

  /// Lets go on whose warp or block is complete. Returns whether there was one.
  bool release() {
    bool any = false;
    for (size_t begin = 0; begin < fibers_.size(); begin += kWarp)
      any |= release(begin, std::min(begin + kWarp, fibers_.size()), Waits::kWarp);
    return any || release(0, fibers_.size(), Waits::kBlock);
  }

  bool release(size_t begin, size_t end, Waits what) {
    size_t waiting = 0;
    for (size_t t = begin; t < end; ++t) {
      if (fibers_[t].done) continue;
      if (fibers_[t].waits != what) return false;
      ++waiting;
    }
    for (size_t t = begin; t < end; ++t) fibers_[t].waits = Waits::kNot;
    return waiting > 0;
  }

  const std::function<void()>& body_;
  std::vector<Fiber> fibers_;
  ucontext_t scheduler_;
  unsigned int running_ = 0;
};

/// How often a kernel was launched.
inline int64_t& num_launches() {
  static int64_t count = 0;
  return count;
}

/// Runs the kernel's blocks in order. A thread of one dimension is enough for this project.
inline void launch(int64_t blocks, int threads, const std::function<void()>& body) {
  ++num_launches();
  gridDim.x = static_cast<unsigned int>(blocks);
  blockDim.x = static_cast<unsigned int>(threads);
  for (int64_t block = 0; block < blocks; ++block) {
    blockIdx.x = static_cast<unsigned int>(block);
    Block(blockDim.x, body).run();
  }
}

}  // namespace lemur::cuda_on_host

inline void __syncthreads() {
  using namespace lemur::cuda_on_host;
  Block::current()->wait(Waits::kBlock);
}

inline void __syncwarp() {
  using namespace lemur::cuda_on_host;
  Block::current()->wait(Waits::kWarp);
}

template <typename T>
T __shfl_xor_sync(unsigned int, T value, int lanes) {
  auto& block = *lemur::cuda_on_host::Block::current();
  return block.exchange(value, block.lane() ^ static_cast<unsigned int>(lanes));
}

template <typename T>
T __shfl_sync(unsigned int, T value, int lane) {
  return lemur::cuda_on_host::Block::current()->exchange(value, static_cast<unsigned int>(lane));
}

using __half = c10::Half;
inline float __half2float(__half x) { return static_cast<float>(x); }
inline __half __float2half_rn(float x) { return c10::Half(x); }
