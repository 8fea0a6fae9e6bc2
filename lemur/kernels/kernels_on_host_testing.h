// All CUDA kernels compiled for the host. Included by one file of a test program, they take the
// place of the launchers that the program would be linked with.
#pragma once

#include "lemur/kernels/bank_rows_cuda.cu"
#include "lemur/kernels/fused_rows_cuda.cu"
#include "lemur/kernels/optimizer_cuda.cu"
#include "lemur/kernels/ragged_attention_cuda.cu"
#include "lemur/kernels/ragged_rows_cuda.cu"
#include "lemur/kernels/ragged_similarity_cuda.cu"
