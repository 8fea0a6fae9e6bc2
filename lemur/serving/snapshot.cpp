#include "lemur/serving/snapshot.h"

#include <torch/torch.h>

#include <chrono>

#include "lemur/base/folder.h"

namespace lemur {

std::shared_ptr<Snapshot> load_snapshot(const RunFolder& run,
                                        const std::filesystem::path& checkpoint,
                                        const SnapshotOptions& options) {
  const auto manifest = open_folder(checkpoint);
  auto snapshot =
      std::make_shared<Snapshot>(Snapshot{.version = checkpoint.filename().string(),
                                          .step = manifest.value("step", int64_t{0}),
                                          .state = load_model(run, checkpoint),
                                          .queries = VectorCache(options.cached_queries),
                                          .documents = VectorCache(options.cached_documents)});
  snapshot->state.model->eval();
  snapshot->size_bytes = snapshot->state.tables.size_bytes();
  for (torch::Tensor& parameter : snapshot->state.model->parameters()) {
    parameter.set_requires_grad(false);
    snapshot->size_bytes += static_cast<int64_t>(parameter.nbytes());
  }
  if (options.int8) snapshot->state.use_int8();
  if (snapshot->state.bank) {
    snapshot->bank_rows = snapshot->state.bank->size();
    snapshot->size_bytes += snapshot->state.bank->size_bytes();
  }
  snapshot->loaded_at_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count();
  return snapshot;
}

}  // namespace lemur
