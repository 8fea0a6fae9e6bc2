// The step's workload for another implementation of the same model, and steps at its command.
#include <fmt/format.h>
#include <torch/torch.h>

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "bench/benches.h"
#include "bench/step_workload.h"
#include "lemur/base/memory.h"
#include "lemur/model/document_bank.h"
#include "lemur/model/history_index.h"
#include "lemur/model/int64_tensor.h"
#include "lemur/model/tensor_file.h"
#include "lemur/model/token_batch.h"
#include "lemur/train/step_plan.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

void add_texts(NamedTensors& tensors, const std::string& name, const TokenBatch& texts) {
  tensors.insert(tensors.end(), {{name + ".tokens", texts.tokens},
                                 {name + ".positions", texts.positions},
                                 {name + ".types", texts.types},
                                 {name + ".offsets", texts.offsets}});
}

/// Numbers the keys of a feature in the order in which they appear.
using KeyNumbers = std::map<uint64_t, int64_t>;

NamedTensors tensors_of(StepBench& bench, const Batch& batch, int64_t step,
                        std::vector<KeyNumbers>& numbers) {
  const SampleStore& store = bench.store();
  ModelState& state = bench.state();
  NamedTensors tensors;
  add_texts(tensors, "documents", pack_documents(store, batch.documents, state.packing()));
  add_texts(
      tensors, "queries",
      pack_queries(store, batch.queries, state.options.model.query_max_tokens, state.special));
  const EmbeddedFeatures embedded = state.tables.embed(batch, {}, /*training=*/false);
  for (size_t f = 0; f < numbers.size(); ++f) {
    std::vector<int64_t> index;
    for (uint64_t key : batch.features[f].keys)
      index.push_back(numbers[f].try_emplace(key, std::ssize(numbers[f])).first->second);
    tensors.emplace_back(fmt::format("feature_{}.index", f), int64_tensor(index));
    tensors.emplace_back(fmt::format("feature_{}.values", f), embedded.values[f]);
  }
  const HistoryIndex index = HistoryIndexer(store.schema().num_documents).build(batch);
  const RaggedHistory& history = index.histories[0];
  std::vector<uint64_t> keys;
  for (uint32_t document : batch.documents) keys.push_back(store.document_keys()[document]);
  std::unique_ptr<bool[]> present(new bool[keys.size()]);
  std::fill_n(present.get(), keys.size(), true);
  const StepPlan plan =
      plan_step(state.options.bank, static_cast<uint64_t>(state.options.train.seed), step, keys,
                {present.get(), keys.size()}, /*clicked=*/{});
  tensors.insert(tensors.end(), {{"documents.index", int64_tensor(batch.documents)},
                                 {"documents.graph", int64_tensor(plan.graph)},
                                 {"document_of", int64_tensor(batch.document_of)},
                                 {"query_of", int64_tensor(batch.query_of)},
                                 {"requests", int64_tensor(batch.requests)},
                                 {"labels", torch::tensor(batch.labels)},
                                 {"history.documents",
                                  int64_tensor(index.documents).index_select(0, history.document)},
                                 {"history.offsets", history.offsets},
                                 {"history.gaps", history.gap},
                                 {"history.actions", history.action}});
  for (auto& [name, tensor] : tensors) tensor = tensor.detach().contiguous();
  return tensors;
}

NamedTensors parameters_of(StepBench& bench, bool gradients) {
  NamedTensors tensors;
  for (const auto& item : bench.state().model->named_parameters())
    tensors.emplace_back(item.key(),
                         (gradients ? item.value().grad() : item.value()).detach().clone());
  return tensors;
}

void write_workload(const fs::path& folder, StepBench& bench) {
  fs::create_directories(folder);
  save_tensors(folder / "weights.safetensors", parameters_of(bench, /*gradients=*/false));
  DocumentBank bank(bench.store(), *bench.state().bank);
  std::vector<uint32_t> documents(bench.store().schema().num_documents);
  std::iota(documents.begin(), documents.end(), 0);
  save_tensors(folder / "bank.safetensors", {{"vectors", bank.gather(documents)}});
  std::vector<KeyNumbers> numbers(bench.store().schema().features.size());
  for (size_t i = 0; i < bench.batches().size(); ++i)
    save_tensors(folder / fmt::format("batch_{}.safetensors", i),
                 tensors_of(bench, bench.batches()[i], static_cast<int64_t>(i) + 1, numbers));
}

}  // namespace

void step_for_peer(const PeerOptions& options) {
  StepBench bench({.batch = options.batch, .batches = options.batches, .share = options.share});
  const fs::path folder = options.folder;
  write_workload(folder, bench);
  auto step = [&] {
    StepMetrics metrics;
    const double seconds = seconds_of([&] { metrics = bench.step(); });
    const nlohmann::ordered_json answer = {{"ms", 1e3 * seconds},
                                           {"loss", metrics.loss},
                                           {"cross_entropy", metrics.cross_entropy},
                                           {"encoded", metrics.encoded},
                                           {"peak_rss_bytes", peak_rss_bytes()}};
    fmt::print("{}\n", answer.dump());
    std::fflush(stdout);
  };
  step();
  save_tensors(folder / "gradients.safetensors", parameters_of(bench, /*gradients=*/true));
  fmt::print("ready\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) step();
}

}  // namespace lemur
