// What one training step measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lemur/simd/flops.h"

namespace lemur {

/// Milliseconds that the parts of a step took.
struct StepTimes {
  double encode = 0;    ///< packing and encoding documents and queries, writing the bank
  double input = 0;     ///< features and histories: look-ups in tables and bank
  double rank = 0;      ///< decoders, similarity, ranker and losses
  double backward = 0;  ///< all gradients
  double update = 0;    ///< admission to the tables, clipping, dense weights, tables
};

struct StepMetrics {
  std::string fault;  ///< why the step changed nothing: a loss or gradient that is no finite
                      ///< number; empty: it was applied
  double loss = 0, cross_entropy = 0, alignment = 0, content_id = 0, gradient_norm = 0;
  int64_t documents = 0;              ///< I, distinct target documents
  int64_t encoded = 0, backward = 0;  ///< |F|, |G|
  int64_t refreshed = 0;              ///< documents encoded beyond the targets
  int64_t tokens = 0;                 ///< document tokens encoded
  double target_coverage = 1;  ///< share of distinct targets present before the step's writes
  std::vector<double> history_coverage;  ///< per history: share of its elements with a
                                         ///< representation (1 for no elements)
  double staleness = 0;    ///< mean cosine of new and stored vectors of the re-encoded documents
  int64_t re_encoded = 0;  ///< how many that mean is over
  double age_mean = 0, age_median = 0, age_p90 = 0,
         age_max = 0;          ///< steps since the last write, of the distinct vectors read
  std::vector<float> scores;   ///< [B] probabilities of the main task; fewer where a fault was seen
                               ///< before all were scored
  Flops flops{};               ///< executed by the step, see counted_flops; zeros where LibTorch
                               ///< computes the encoders: on a GPU, with dropout, pretrained
  int64_t flops_backward = 0;  ///< those of them in the backward pass
  StepTimes times;
};

}  // namespace lemur
