// Tensors to and from safetensors files.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace lemur {

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

/// Writes CPU tensors (float32, float64, int64 or uint8).
void save_tensors(const std::filesystem::path& file, const NamedTensors& tensors);

/// Copies the file's tensors into `tensors`, in place. Throws DataError naming the first tensor
/// that is missing, superfluous, or of another type or shape.
void load_tensors(const std::filesystem::path& file, const NamedTensors& tensors);

/// Likewise, from a file that may hold more.
void load_some_tensors(const std::filesystem::path& file, const NamedTensors& tensors);

}  // namespace lemur
