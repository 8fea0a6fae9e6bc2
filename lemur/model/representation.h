// Whether representations tell documents apart: what a collapse of the encoders shows in.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "lemur/tables/memory_bank.h"

namespace lemur {

/// Of n representations, each made of length 1.
struct RepresentationHealth {
  int64_t documents = 0;
  double mean_cosine = 0;     ///< of two of them
  double effective_rank = 0;  ///< exp of the entropy of the centred vectors' spectrum (Roy and
                              ///< Vetterli 2007): 1 to the width
  double uniformity = 0;      ///< log of the mean of exp(-2 distance^2) over pairs (Wang and Isola
                              ///< 2020): 0 where all are one, the lower the better spread
};

/// Measures rows [n, r]; rows of length 0 are left out. Nothing where fewer than two are left.
std::optional<RepresentationHealth> measure_representations(const torch::Tensor& rows);

/// Measures at most 1000 rows of a bank, evenly chosen.
std::optional<RepresentationHealth> measure_bank(const MemoryBank& bank);

/// Says in words, with the keys to turn, that representations [.., width] have collapsed; empty:
/// they have not.
std::string collapse_warning(const RepresentationHealth& health, int64_t width);

}  // namespace lemur
