#include "lemur/model/start_from.h"

#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/data/run_folder.h"
#include "lemur/model/tensor_file.h"

namespace lemur {

void start_from_run(const std::filesystem::path& run, ModelState& state) {
  const RunFolder folder(run);
  check_compatible(folder.schema(), state.schema);
  std::vector<std::string> skipped;
  const std::filesystem::path checkpoint = folder.choose("best", &skipped);
  open_checkpoint(checkpoint, /*verify=*/true);
  NamedTensors encoders;
  for (const auto& item : state.model->named_parameters())
    if (item.key().starts_with("document_encoder.") || item.key().starts_with("query_encoder."))
      encoders.emplace_back(item.key(), item.value());
  load_some_tensors(checkpoint / "dense.safetensors", encoders);
  if (!state.bank) return;
  if (!std::filesystem::exists(checkpoint / "bank.rows"))
    fail<DataError>("model", "{} has no bank", checkpoint.string());
  state.bank->load(checkpoint / "bank.rows");
}

}  // namespace lemur
