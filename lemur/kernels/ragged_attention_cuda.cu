#include "lemur/kernels/ragged_attention_cuda.h"

#include "lemur/kernels/ragged_sum_cuda.h"

namespace lemur::cuda {
namespace {

/// The elements of the block's sample.
struct Elements {
  int64_t sample, begin, end;
};

__device__ Elements elements_of_block(const AttentionView& view) {
  const int64_t sample = blockIdx.x;
  return {sample, view.listed.offsets[sample], view.listed.offsets[sample + 1]};
}

/// Writes for each gap and action the sum of weights[m] over its elements, in their order.
__device__ void sum_by_gap_and_action(const AttentionView& view, const Elements& elements,
                                      const float* weights, float* by_gap, float* by_action) {
  for (int64_t i = threadIdx.x; i < view.gaps + view.actions; i += kBlockSize) {
    const bool is_gap = i < view.gaps;
    const int32_t* kind = is_gap ? view.gap : view.action;
    const int64_t wanted = is_gap ? i : i - view.gaps;
    float sum = 0;
    for (int64_t m = elements.begin; m < elements.end; ++m)
      if (view.listed.row[m] >= 0 && kind[m] == wanted) sum += weights[m];
    (is_gap ? by_gap + elements.sample * view.gaps
            : by_action + elements.sample * view.actions)[wanted] = sum;
  }
}

/// The largest score seen and the sum of exp(score - largest).
struct Running {
  float largest = -INFINITY, sum = 0;
};

__device__ Running joined(const Running& a, const Running& b) {
  if (a.sum == 0) return b;
  if (b.sum == 0) return a;
  const float largest = fmaxf(a.largest, b.largest);
  return {largest, a.sum * expf(a.largest - largest) + b.sum * expf(b.largest - largest)};
}

/// Returns what all warps saw, joined in their order. Every thread of the block calls it.
__device__ Running joined_by_block(const Running& of_warp) {
  __shared__ float largest[kWarps], sums[kWarps];
  if (lane_of_thread() == 0) {
    largest[warp_of_thread()] = of_warp.largest;
    sums[warp_of_thread()] = of_warp.sum;
  }
  __syncthreads();
  Running all;
  for (int warp = 0; warp < kWarps; ++warp) all = joined(all, {largest[warp], sums[warp]});
  return all;
}

/// A block for each sample. The scores stand in `probabilities` until their sum is known.
__global__ void attention_kernel(AttentionView view, float* attended, float* by_gap,
                                 float* by_action, float* probabilities) {
  const Elements elements = elements_of_block(view);
  const auto [sample, begin, end] = elements;
  Running running;
  for (int64_t m = begin + warp_of_thread(); m < end; m += kWarps) {
    const int32_t row = view.listed.row[m];
    if (row < 0) continue;
    const float score = warp_dot(view.query + sample * view.width,
                                 view.keys.data + row * view.keys.stride, view.width) +
                        view.score_gap[sample * view.gaps + view.gap[m]] +
                        view.score_action[sample * view.actions + view.action[m]];
    running = joined(running, {score, 1});
    if (lane_of_thread() == 0) probabilities[m] = score;
  }
  const Running all = joined_by_block(running);
  for (int64_t m = begin + threadIdx.x; m < end; m += kBlockSize)
    probabilities[m] = view.listed.row[m] < 0 ? 0 : expf(probabilities[m] - all.largest) / all.sum;
  __syncthreads();
  sum_rows(probabilities, view.listed.row, begin, end, view.width, view.values,
           attended + sample * view.width);
  sum_by_gap_and_action(view, elements, probabilities, by_gap, by_action);
}

/// ds_j = p_j (dp_j - sum_k p_k dp_k), where dp_j = dc . value_j + dgap_j + daction_j. The dp stand
/// in `scores` until their mean is known.
__global__ void attention_backward_kernel(AttentionView view, AttendedGradients given,
                                          const float* probabilities, float* query,
                                          float* score_gap, float* score_action, float* scores) {
  const Elements elements = elements_of_block(view);
  const auto [sample, begin, end] = elements;
  float mean = 0;
  for (int64_t m = begin + warp_of_thread(); m < end; m += kWarps) {
    const int32_t row = view.listed.row[m];
    if (row < 0) continue;
    const float gradient = warp_dot(given.attended + sample * view.width,
                                    view.values.data + row * view.values.stride, view.width) +
                           given.by_gap[sample * view.gaps + view.gap[m]] +
                           given.by_action[sample * view.actions + view.action[m]];
    mean += probabilities[m] * gradient;
    if (lane_of_thread() == 0) scores[m] = gradient;
  }
  mean = sum_of_warps(mean);
  for (int64_t m = begin + threadIdx.x; m < end; m += kBlockSize)
    scores[m] = view.listed.row[m] < 0 ? 0 : probabilities[m] * (scores[m] - mean);
  __syncthreads();
  sum_rows(scores, view.listed.row, begin, end, view.width, view.keys, query + sample * view.width);
  sum_by_gap_and_action(view, elements, scores, score_gap, score_action);
}

}  // namespace

void ragged_attention_forward(const AttentionView& view, float* attended, float* by_gap,
                              float* by_action, float* probabilities, void* stream) {
  LEMUR_LAUNCH(attention_kernel, view.listed.samples, kBlockSize, stream, view, attended, by_gap,
               by_action, probabilities);
}

void ragged_attention_backward(const AttentionView& view, const AttendedGradients& given,
                               const float* probabilities, float* query, float* score_gap,
                               float* score_action, float* scores, void* stream) {
  LEMUR_LAUNCH(attention_backward_kernel, view.listed.samples, kBlockSize, stream, view, given,
               probabilities, query, score_gap, score_action, scores);
}

}  // namespace lemur::cuda
