// The benches: each reports its cases.
#pragma once

#include "bench/report.h"

namespace lemur {

/// The encoders' blocks and the matrix product against LibTorch's operations.
void bench_kernels(Report& report);

/// A training step on the workload of StepWorkload, whole and by its parts.
void bench_step(Report& report);

/// Look-ups in the memory bank and the embedding tables.
void bench_bank(Report& report);
void bench_look_up(Report& report, int64_t documents);  ///< in a bank of so many
void bench_table(Report& report, int64_t keys_in_use);

/// What comes before the model: simulation, ingest, image decoder, tokenizer.
void bench_ingest(Report& report);

/// The batch loader.
void bench_loader(Report& report);

/// The step's cost against the sizes of the workload.
void bench_scaling(Report& report);

/// Ranking requests, one at a time, in float32 and in 8 bits.
void bench_serving(Report& report);

/// A training step at the paper's scale on a GPU, and the share of its bfloat16 peak. Throws
/// DataError where there is none.
void bench_gpu(Report& report);

/// What bench/pytorch/compare.py asks for.
struct PeerOptions {
  std::string folder;  ///< where weights and batches go
  int64_t batch = 512, batches = 8;
  double share = 1;  ///< p = q
};

/// Writes the step's workload for another implementation, with the loss and the gradients of the
/// first batch; then runs a step for every line of the input and answers with a line of JSON.
void step_for_peer(const PeerOptions& options);

}  // namespace lemur
