#include "lemur/model/model_state.h"

#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/data/run_folder.h"
#include "lemur/kernels/device.h"
#include "lemur/model/tensor_file.h"
#include "lemur/nn/initialized_layers.h"
#include "lemur/nn/int8_layers.h"

namespace lemur {
namespace {

constexpr const char* kDenseFile = "dense.safetensors";
constexpr const char* kBankFile = "bank.rows";

NamedTensors named_tensors(const torch::nn::Module& model) {
  NamedTensors tensors;
  for (const auto& item : model.named_parameters()) tensors.emplace_back(item.key(), item.value());
  return tensors;
}

RankingModel build(const Options& options, const StoreSchema& schema) {
  torch::manual_seed(static_cast<uint64_t>(options.train.seed));
  return RankingModel(options.model, options.bank.enabled, schema);
}

template <typename Items, typename Describe>
void require_equal(const char* what, const Items& run, const Items& store, Describe describe) {
  if (run.size() != store.size())
    fail<DataError>("model", "the run knows {} {}, the store has {}", run.size(), what,
                    store.size());
  for (size_t i = 0; i < run.size(); ++i)
    if (describe(run[i]) != describe(store[i]))
      fail<DataError>("model", "{} {} is '{}' in the run and '{}' in the store", what, i,
                      describe(run[i]), describe(store[i]));
}

}  // namespace

ModelState::ModelState(const Options& options, const StoreSchema& schema,
                       const SpecialTokens& special)
    : options(options),
      schema(schema),
      special(special),
      model(build(options, schema)),
      tables(schema, static_cast<uint64_t>(options.train.seed)),
      pending_gradients(model->representation_width()) {
  if (options.bank.enabled && model->has_content())
    bank = std::make_unique<MemoryBank>(model->representation_width());
}

void ModelState::use_int8() { lemur::use_int8(*model); }

void ModelState::move_to(const std::string& device) {
  const torch::Device there = device_named(device);
  model->to(there);
  model->compute_in_bfloat16(there.is_cuda() && options.train.bf16);
}

void ModelState::save(const FolderWriter& folder) const {
  save_tensors(folder.file(kDenseFile), named_tensors(*model));
  tables.save(folder.file("."));
  if (bank) bank->save(folder.file(kBankFile));
}

void ModelState::load(const std::filesystem::path& checkpoint) {
  // The other files hold checksums of their own.
  verify_file(checkpoint, open_checkpoint(checkpoint), kDenseFile);
  load_tensors(checkpoint / kDenseFile, named_tensors(*model));
  tables.load(checkpoint);
  if (bank) bank->load(checkpoint / kBankFile);
}

ModelState load_model(const RunFolder& run, const std::filesystem::path& checkpoint) {
  const NoInitialValues loaded_below;
  ModelState state(run.options(), run.schema(), run.special_tokens());
  state.load(checkpoint);
  state.tables.adopt_averages();
  return state;
}

void check_compatible(const StoreSchema& run, const StoreSchema& store) {
  require_equal("text fields", run.text, store.text, [](const auto& t) { return t.name; });
  require_equal("image fields", run.images, store.images,
                [](const auto& i) { return fmt::format("{} of {} pixels", i.name, i.pixels); });
  require_equal("features", run.features, store.features,
                [](const auto& f) { return f.of + " " + f.name + (f.is_number ? " number" : ""); });
  require_equal("histories", run.histories, store.histories, [](const auto& h) { return h.name; });
  require_equal("labels", run.labels, store.labels, [](const auto& l) { return l; });
  require_equal("actions", run.actions, store.actions, [](const auto& a) { return a; });
  if (run.vocabulary_size != store.vocabulary_size)
    fail<DataError>("model",
                    "the run's vocabulary has {} pieces, the store's {}: ingest with "
                    "tokenizer.vocab = the run's vocab.txt",
                    run.vocabulary_size, store.vocabulary_size);
  if (run.has_queries != store.has_queries)
    fail<DataError>("model", "the run {} queries, the store {}", run.has_queries ? "has" : "lacks",
                    store.has_queries ? "has" : "lacks");
}

}  // namespace lemur
