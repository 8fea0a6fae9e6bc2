#include "lemur/kernels/ragged_rows_cuda.h"

#include "lemur/kernels/ragged_sum_cuda.h"

namespace lemur::cuda {
namespace {

/// A block for each sample, a warp for each element at a time.
template <typename T>
__global__ void dots_kernel(RaggedView listed, int64_t width, const float* vectors, RowView<T> rows,
                            float* result) {
  const int64_t sample = blockIdx.x, end = listed.offsets[sample + 1];
  for (int64_t m = listed.offsets[sample] + warp_of_thread(); m < end; m += kWarps) {
    const int32_t row = listed.row[m];
    const float dot =
        row < 0 ? 0 : warp_dot(vectors + sample * width, rows.data + row * rows.stride, width);
    if (lane_of_thread() == 0) result[m] = dot;
  }
}

/// A block for each sample.
template <typename T>
__global__ void sums_kernel(RaggedView listed, int64_t width, const float* weights, RowView<T> rows,
                            float* result) {
  const int64_t sample = blockIdx.x;
  sum_rows(weights, listed.row, listed.offsets[sample], listed.offsets[sample + 1], width, rows,
           result + sample * width);
}

}  // namespace

void ragged_dots(const RaggedView& listed, int64_t width, const float* vectors,
                 const RowView<float>& rows, float* result, void* stream) {
  LEMUR_LAUNCH(dots_kernel<float>, listed.samples, kBlockSize, stream, listed, width, vectors, rows,
               result);
}

void ragged_dots(const RaggedView& listed, int64_t width, const float* vectors,
                 const RowView<Bfloat16>& rows, float* result, void* stream) {
  LEMUR_LAUNCH(dots_kernel<Bfloat16>, listed.samples, kBlockSize, stream, listed, width, vectors,
               rows, result);
}

void ragged_sums(const RaggedView& listed, int64_t width, const float* weights,
                 const RowView<float>& rows, float* result, void* stream) {
  LEMUR_LAUNCH(sums_kernel<float>, listed.samples, kBlockSize, stream, listed, width, weights, rows,
               result);
}

void ragged_sums(const RaggedView& listed, int64_t width, const float* weights,
                 const RowView<Bfloat16>& rows, float* result, void* stream) {
  LEMUR_LAUNCH(sums_kernel<Bfloat16>, listed.samples, kBlockSize, stream, listed, width, weights,
               rows, result);
}

}  // namespace lemur::cuda
