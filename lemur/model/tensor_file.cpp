#include "lemur/model/tensor_file.h"

#include <torch/torch.h>

#include <map>

#include "lemur/base/error.h"
#include "lemur/base/safetensors.h"

namespace lemur {
namespace {

std::string dtype_name(const torch::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case torch::kFloat32:
      return "F32";
    case torch::kFloat64:
      return "F64";
    case torch::kInt64:
      return "I64";
    case torch::kUInt8:
      return "U8";
    default:
      fail<InvalidArgument>("files", "tensors of type {} cannot be saved",
                            c10::toString(tensor.scalar_type()));
  }
}

void load_from(const SafetensorsFile& source, const std::filesystem::path& file,
               const NamedTensors& tensors) {
  const auto& entries = source.entries();
  torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : tensors) {
    auto entry = entries.find(name);
    if (entry == entries.end())
      fail<DataError>("files", "{} lacks tensor '{}'", file.string(), name);
    if (entry->second.dtype != dtype_name(tensor) || entry->second.shape != tensor.sizes().vec())
      fail<DataError>("files", "{}: tensor '{}' is {} [{}]; expected {} [{}]", file.string(), name,
                      entry->second.dtype, fmt::join(entry->second.shape, ", "), dtype_name(tensor),
                      fmt::join(tensor.sizes().vec(), ", "));
    // Only read: the view ends with this line.
    tensor.detach().copy_(torch::from_blob(const_cast<char*>(entry->second.data.data()),
                                           tensor.sizes(), tensor.scalar_type()));
  }
}

}  // namespace

void save_tensors(const std::filesystem::path& file, const NamedTensors& tensors) {
  std::map<std::string, TensorEntry> entries;
  std::vector<torch::Tensor> held;
  for (const auto& [name, tensor] : tensors) {
    const torch::Tensor& flat = held.emplace_back(tensor.detach().cpu().contiguous());
    entries[name] =
        TensorEntry{dtype_name(flat), flat.sizes().vec(),
                    std::string_view(static_cast<const char*>(flat.data_ptr()), flat.nbytes())};
  }
  write_safetensors(file, entries);
}

void load_some_tensors(const std::filesystem::path& file, const NamedTensors& tensors) {
  load_from(SafetensorsFile(file), file, tensors);
}

void load_tensors(const std::filesystem::path& file, const NamedTensors& tensors) {
  const SafetensorsFile source(file);
  load_from(source, file, tensors);
  if (source.entries().size() == tensors.size()) return;
  std::map<std::string, bool> known;
  for (const auto& item : tensors) known[item.first] = true;
  for (const auto& item : source.entries())
    if (!known.contains(item.first))
      fail<DataError>("files", "{} holds a tensor '{}' that the model lacks", file.string(),
                      item.first);
}

}  // namespace lemur
