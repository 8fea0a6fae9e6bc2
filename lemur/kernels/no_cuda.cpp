// The launchers in a build without CUDA: each throws.
#include "lemur/base/error.h"
#include "lemur/kernels/bank_rows_cuda.h"
#include "lemur/kernels/fused_rows_cuda.h"
#include "lemur/kernels/optimizer_cuda.h"
#include "lemur/kernels/ragged_attention_cuda.h"
#include "lemur/kernels/ragged_rows_cuda.h"
#include "lemur/kernels/ragged_similarity_cuda.h"

namespace lemur::cuda {
namespace {

[[noreturn]] void missing(const char* kernel) {
  fail<InvalidArgument>("cuda", "{} asked for; this build has no CUDA", kernel);
}

}  // namespace

void ragged_dots(const RaggedView&, int64_t, const float*, const RowView<float>&, float*, void*) {
  missing("ragged_dots");
}
void ragged_dots(const RaggedView&, int64_t, const float*, const RowView<Bfloat16>&, float*,
                 void*) {
  missing("ragged_dots");
}
void ragged_sums(const RaggedView&, int64_t, const float*, const RowView<float>&, float*, void*) {
  missing("ragged_sums");
}
void ragged_sums(const RaggedView&, int64_t, const float*, const RowView<Bfloat16>&, float*,
                 void*) {
  missing("ragged_sums");
}
void ragged_attention_forward(const AttentionView&, float*, float*, float*, float*, void*) {
  missing("ragged_attention_forward");
}
void ragged_attention_backward(const AttentionView&, const AttendedGradients&, const float*, float*,
                               float*, float*, float*, void*) {
  missing("ragged_attention_backward");
}
void ragged_similarity_forward(const RaggedView&, int64_t, const float*, float*, int32_t*, int32_t*,
                               void*) {
  missing("ragged_similarity_forward");
}
void ragged_similarity_backward(const RaggedView&, int64_t, const float*, const int32_t*,
                                const int32_t*, float*, void*) {
  missing("ragged_similarity_backward");
}
void gather_rows(const void*, int64_t, const int32_t*, int64_t, float*, void*) {
  missing("gather_rows");
}
void scatter_rows(const float*, int64_t, const int32_t*, int64_t, void*, void*) {
  missing("scatter_rows");
}
void join_rows(const float*, const int32_t*, const void*, int64_t, const int32_t*, int64_t, float*,
               void*) {
  missing("join_rows");
}
void distinct_documents(const int32_t*, int64_t, int64_t, int32_t*, int32_t*, int32_t*, int32_t*,
                        void*) {
  missing("distinct_documents");
}
void adamw_update(const AdamWSegment*, int64_t, int64_t, const float*, float*, float*, float*,
                  void*) {
  missing("adamw_update");
}
void sum_of_squares(int64_t, const float*, double*, void*) { missing("sum_of_squares"); }
void row_adagrad(const RowAdagradFactors&, const int32_t*, int64_t, int64_t, const float*, float*,
                 float*, void*) {
  missing("row_adagrad");
}
template <typename T>
void bias_gelu_forward(const RowShape&, const T*, const float*, T*, void*) {
  missing("bias_gelu_forward");
}
template <typename T>
void bias_gelu_backward(const RowShape&, const T*, const float*, const T*, T*, float*, void*) {
  missing("bias_gelu_backward");
}
template <typename T>
void add_norm_forward(const RowShape&, const T*, const T*, const float*, const float*, T*, T*,
                      float*, float*, void*) {
  missing("add_norm_forward");
}
template <typename T>
void add_norm_backward(const RowShape&, const T*, const float*, const float*, const float*,
                       const T*, const T*, T*, float*, float*, void*) {
  missing("add_norm_backward");
}

#define LEMUR_INSTANTIATE(T)                                                                      \
  template void bias_gelu_forward(const RowShape&, const T*, const float*, T*, void*);            \
  template void bias_gelu_backward(const RowShape&, const T*, const float*, const T*, T*, float*, \
                                   void*);                                                        \
  template void add_norm_forward(const RowShape&, const T*, const T*, const float*, const float*, \
                                 T*, T*, float*, float*, void*);                                  \
  template void add_norm_backward(const RowShape&, const T*, const float*, const float*,          \
                                  const float*, const T*, const T*, T*, float*, float*, void*);
LEMUR_INSTANTIATE(float)
LEMUR_INSTANTIATE(Bfloat16)
#undef LEMUR_INSTANTIATE

}  // namespace lemur::cuda
