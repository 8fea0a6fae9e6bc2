// Rows of a float16 table on CUDA: reading, writing, and the dedup join.
#pragma once

#include "lemur/kernels/cuda_types.h"

namespace lemur::cuda {

/// Writes result [n, width] float: row rows[i] of the float16 `table`, zeros where it is -1.
void gather_rows(const void* table, int64_t width, const int32_t* rows, int64_t n, float* result,
                 void* stream);

/// Writes vectors [n, width] as float16 into the distinct rows of `table`.
void scatter_rows(const float* vectors, int64_t width, const int32_t* rows, int64_t n, void* table,
                  void* stream);

/// Writes result [n, width] float: row fresh_of[i] of `fresh` (float) where it is not -1, else as
/// gather_rows: vectors that a step has just encoded stand before those of the bank.
void join_rows(const float* fresh, const int32_t* fresh_of, const void* table, int64_t width,
               const int32_t* rows, int64_t n, float* result, void* stream);

/// Finds the distinct documents of `documents` [n], each below `limit`, ascending, and the place of
/// each element among them.
///
/// `place` [limit] is scratch: zeros before the call. Writes `distinct` [up to min(n, limit)],
/// `index` [n] and `count` [1]. Its scan runs on one block.
void distinct_documents(const int32_t* documents, int64_t n, int64_t limit, int32_t* place,
                        int32_t* distinct, int32_t* index, int32_t* count, void* stream);

}  // namespace lemur::cuda
