// Products of matrices that fit a core's cache, on the calling thread.
#pragma once

#include <cstdint>

namespace lemur {

/// Element (i, j) of a matrix is data[i * row + j * column].
template <typename T>
struct MatrixView {
  const T* data;
  int64_t row, column = 1;
};

/// C [m, n] = A [m, k] B [k, n], plus what C holds where `add`, else plus `bias` [n] to each row
/// (null: none). float or double.
///
/// The rows of C lie `c_stride` values apart. A row of C depends on its row of A and on B only, and
/// is the same bit for bit whatever the other rows are.
template <typename T>
void multiply(int64_t m, int64_t n, int64_t k, const MatrixView<T>& a, const MatrixView<T>& b, T* c,
              int64_t c_stride, bool add, const T* bias = nullptr);

}  // namespace lemur
