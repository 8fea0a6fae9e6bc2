#include "lemur/kernels/bank_rows_cuda.h"

#include "lemur/kernels/cuda_device.h"

namespace lemur::cuda {
namespace {

/// A thread for each value.
__global__ void join_rows_kernel(const float* fresh, const int32_t* fresh_of, const __half* table,
                                 int64_t width, const int32_t* rows, int64_t n, float* result) {
  const int64_t item = item_of_thread();
  if (item >= n * width) return;
  const int64_t i = item / width, column = item % width;
  if (fresh_of != nullptr && fresh_of[i] >= 0)
    result[item] = fresh[fresh_of[i] * width + column];
  else
    result[item] = rows[i] < 0 ? 0 : __half2float(table[rows[i] * width + column]);
}

__global__ void scatter_rows_kernel(const float* vectors, int64_t width, const int32_t* rows,
                                    int64_t n, __half* table) {
  const int64_t item = item_of_thread();
  if (item >= n * width) return;
  table[rows[item / width] * width + item % width] = __float2half_rn(vectors[item]);
}

__global__ void mark_kernel(const int32_t* documents, int64_t n, int32_t* marks) {
  const int64_t i = item_of_thread();
  if (i < n) marks[documents[i]] = 1;  // whoever comes last writes the same
}

/// Replaces marks by the number of marks before each, and lists the marked. One block: each thread
/// counts a slice, and begins where those before it end.
__global__ void number_kernel(int64_t limit, int32_t* marks, int32_t* distinct, int32_t* count) {
  __shared__ int32_t counts[kBlockSize];
  const int64_t slice = (limit + kBlockSize - 1) / kBlockSize, thread = threadIdx.x;
  const int64_t begin = thread * slice, end = begin + slice < limit ? begin + slice : limit;
  int32_t marked = 0;
  for (int64_t d = begin; d < end; ++d) marked += marks[d];
  counts[thread] = marked;
  __syncthreads();
  int32_t next = 0;
  for (int64_t before = 0; before < thread; ++before) next += counts[before];
  for (int64_t d = begin; d < end; ++d) {
    const bool is_marked = marks[d] != 0;
    marks[d] = next;
    if (is_marked) distinct[next++] = static_cast<int32_t>(d);
  }
  if (thread == kBlockSize - 1) *count = next;
}

__global__ void look_up_kernel(const int32_t* documents, int64_t n, const int32_t* place,
                               int32_t* index) {
  const int64_t i = item_of_thread();
  if (i < n) index[i] = place[documents[i]];
}

}  // namespace

void gather_rows(const void* table, int64_t width, const int32_t* rows, int64_t n, float* result,
                 void* stream) {
  join_rows(nullptr, nullptr, table, width, rows, n, result, stream);
}

void scatter_rows(const float* vectors, int64_t width, const int32_t* rows, int64_t n, void* table,
                  void* stream) {
  LEMUR_LAUNCH(scatter_rows_kernel, blocks_for(n * width), kBlockSize, stream, vectors, width, rows,
               n, static_cast<__half*>(table));
}

void join_rows(const float* fresh, const int32_t* fresh_of, const void* table, int64_t width,
               const int32_t* rows, int64_t n, float* result, void* stream) {
  LEMUR_LAUNCH(join_rows_kernel, blocks_for(n * width), kBlockSize, stream, fresh, fresh_of,
               static_cast<const __half*>(table), width, rows, n, result);
}

void distinct_documents(const int32_t* documents, int64_t n, int64_t limit, int32_t* place,
                        int32_t* distinct, int32_t* index, int32_t* count, void* stream) {
  LEMUR_LAUNCH(mark_kernel, blocks_for(n), kBlockSize, stream, documents, n, place);
  LEMUR_LAUNCH(number_kernel, 1, kBlockSize, stream, limit, place, distinct, count);
  LEMUR_LAUNCH(look_up_kernel, blocks_for(n), kBlockSize, stream, documents, n, place, index);
}

}  // namespace lemur::cuda
