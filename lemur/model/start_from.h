// Starts a model from what another run learnt of content: the second stage of the two-stage
// procedure that LEMUR is measured against (model.md 8).
#pragma once

#include <filesystem>

#include "lemur/model/model_state.h"

namespace lemur {

/// Copies the encoders, and the bank where `state` has one, from the best checkpoint of the run in
/// `run`. Nothing else is changed. Throws DataError where there is no such run, where its schema
/// does not fit, or naming the first tensor that it lacks or has in another shape.
void start_from_run(const std::filesystem::path& run, ModelState& state);

}  // namespace lemur
