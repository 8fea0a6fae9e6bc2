#include "bench/step_workload.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "lemur/data/sample_store_testing.h"
#include "lemur/model/document_bank.h"

namespace lemur {
namespace {

using Random = std::mt19937_64;

constexpr double kSkew = 1.07;        // of the documents, popularity: (rank + 1)^-kSkew
constexpr int64_t kHour = 3'600'000;  // milliseconds
constexpr int64_t kRequest = 8;       // impressions of a request
constexpr int64_t kQueries = 5000;

/// A text's number of tokens is drawn evenly from these bounds: means of 22, 81, 2 and 6 (paper,
/// section 2).
struct Field {
  const char* name;
  int64_t low, high;
};
constexpr Field kFields[] = {
    {"title", 13, 31}, {"ocr", 38, 124}, {"asr", 0, 4}, {"cover_ocr", 0, 12}};

int64_t draw(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

std::vector<int32_t> draw_tokens(Random& random, int64_t low, int64_t high, int64_t vocabulary) {
  std::vector<int32_t> tokens(static_cast<size_t>(draw(random, low, high)));
  for (int32_t& token : tokens) token = static_cast<int32_t>(draw(random, 5, vocabulary - 1));
  return tokens;
}

int64_t scaled(int64_t length, double factor) {
  return std::llround(static_cast<double>(length) * factor);
}

StoreSchema schema_of(const StepWorkload& workload) {
  StoreSchema schema;
  for (const Field& field : kFields)
    schema.text.push_back(
        {field.name, std::max<int64_t>(scaled(field.high, workload.document_length), 1)});
  schema.features = {{.name = "document", .of = "document", .is_document_id = true},
                     {.name = "author", .of = "document"},
                     {.name = "category", .of = "document"},
                     {.name = "music", .of = "document"},
                     {.name = "user", .of = "user"},
                     {.name = "city", .of = "user"},
                     {.name = "device", .of = "context"},
                     {.name = "hour", .of = "context"}};
  schema.histories = {{"long", workload.history}};
  schema.labels = {"click"};
  schema.actions = {"click", "like", "share"};
  schema.has_queries = schema.has_requests = true;
  const auto events = static_cast<uint64_t>(workload.batch * workload.batches);
  schema.splits = {{"train", 0, events}};
  return schema;
}

StoreContent draw_content(const StepWorkload& workload) {
  Random random(1);
  StoreContent content;
  content.schema = schema_of(workload);
  content.features.resize(content.schema.features.size());
  content.histories.resize(1);
  std::vector<double> popularity;
  for (int64_t d = 0; d < workload.documents; ++d) {
    popularity.push_back(std::pow(static_cast<double>(d + 1), -kSkew));
    content.document_ids.push_back(fmt::format("d{}", d));
    for (const Field& field : kFields)
      content.document_tokens.push_back(
          draw_tokens(random, scaled(field.low, workload.document_length),
                      scaled(field.high, workload.document_length), workload.vocabulary));
    const auto key = static_cast<uint64_t>(d);
    content.features[0].keys.push_back({key});
    content.features[1].keys.push_back({key / 4});
    content.features[2].keys.push_back({key % 100});
    content.features[3].keys.push_back({key % 3000});
  }
  for (int64_t q = 0; q < kQueries; ++q) {
    content.query_texts.push_back(fmt::format("query {}", q));
    content.query_tokens.push_back(draw_tokens(random, 1, 7, workload.vocabulary));
  }
  std::discrete_distribution<uint32_t> shown(popularity.begin(), popularity.end());
  for (int64_t u = 0; u < workload.users; ++u) {
    content.user_ids.push_back(fmt::format("u{}", u));
    for (int64_t i = 0; i < workload.history; ++i)
      content.histories[0].push_back({.user = static_cast<uint32_t>(u),
                                      .document = shown(random),
                                      .time = i * kHour,
                                      .action = static_cast<uint8_t>(draw(random, 0, 2))});
  }
  const int64_t begin = workload.history * kHour + 1;
  for (int64_t i = 0; i < workload.batch * workload.batches; ++i) {
    StoreContent::Event event;
    event.time = begin + i;
    event.user = static_cast<uint32_t>(draw(random, 0, workload.users - 1));
    event.document = shown(random);
    event.query = static_cast<uint32_t>(draw(random, 0, kQueries - 1));
    event.request_id = fmt::format("r{}", i / kRequest);
    event.request = hash_bytes(event.request_id);
    event.labels = {static_cast<uint8_t>(draw(random, 0, 9) < 3)};
    content.events.push_back(event);
    content.features[4].keys.push_back({event.user});
    content.features[5].keys.push_back({event.user % 300});
    content.features[6].keys.push_back({static_cast<uint64_t>(draw(random, 0, 20))});
    content.features[7].keys.push_back({static_cast<uint64_t>(draw(random, 0, 23))});
  }
  return content;
}

std::vector<std::string> pieces_of(const StepWorkload& workload) {
  std::vector<std::string> pieces = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  while (std::ssize(pieces) < workload.vocabulary)
    pieces.push_back(fmt::format("piece{}", pieces.size()));
  return pieces;
}

Options options_of(const StepWorkload& workload) {
  Options options;
  // As published; histories are read from the bank.
  options.model.id_history = false;
  options.model.text_pooling = "cls";
  options.model.embedding_dropout = 0;
  options.model.alignment_weight = 0.1;
  options.model.temperature = 50;
  options.bank.encode_clicked = false;
  options.bank.forward = options.bank.backward = workload.share;
  options.train.batch_size = workload.batch;
  options.train.clip_norm = 0;
  if (workload.configure) workload.configure(options);
  return options;
}

}  // namespace

StepBench::StepBench(const StepWorkload& workload) : workload_(workload) {
  write_store(folder_.path() / "store", draw_content(workload), pieces_of(workload));
  store_ = std::make_unique<SampleStore>(folder_.path() / "store");
  const Options options = options_of(workload);
  state_ = std::make_unique<ModelState>(options, store_->schema(),
                                        SpecialTokens::load(store_->vocabulary_path()));
  state_->move_to(options.train.device);
  optimizer_ = std::make_unique<DenseOptimizer>(
      *state_->model, AdamWOptions{.weight_decay = options.train.weight_decay},
      [&](const std::string& name) { return learning_rate_of(options.train, name); });
  if (state_->bank) {
    DocumentBank bank(*store_, *state_->bank);
    std::vector<uint32_t> documents(static_cast<size_t>(workload.documents));
    std::iota(documents.begin(), documents.end(), 0);
    torch::manual_seed(1);
    bank.write(documents, torch::randn({workload.documents, options.model.representation_width}),
               0);
  }
  train_step_ = std::make_unique<TrainStep>(*store_, *state_, *optimizer_);
  BatchLoader loader(*store_, {.batch_size = workload.batch});
  while (auto batch = loader.next()) {
    state_->tables.admit(*batch);
    batches_.push_back(std::move(*batch));
  }
  state_->model->train();
}

StepMetrics StepBench::step() {
  const Batch& batch = batches_[static_cast<size_t>(steps_) % batches_.size()];
  ++steps_;
  return train_step_->run(batch, steps_, 1);
}

double StepBench::useful_flops(double encoded, double tokens) const {
  const ModelOptions& model = options().model;
  const auto d = static_cast<double>(model.encoder_width),
             width = static_cast<double>(model.token_width),
             batch = static_cast<double>(workload_.batch);
  auto encoder = [&](double count, double rows, double layers) {
    const double length = rows / std::max(count, 1.0);
    return (layers - 1) * rows * (24 * d * d + 4 * d * length) + rows * (4 * d * d + 4 * d) +
           count * 20 * d * d;
  };
  const double ranker = batch * static_cast<double>(model.tokens * model.ranker_layers) * 4 *
                        width * width * static_cast<double>(model.ranker_ffn_factor);
  const auto history = [&](double row, double products) {
    return batch * static_cast<double>(workload_.history) * row * products;
  };
  const double per_layer = 4 * static_cast<double>(model.decoder_layers);
  const double id_width = model.id_history ? static_cast<double>(FeatureOptions().width) : 0;
  double flops = 3 * (ranker + history(id_width, per_layer));
  if (!model.content) return flops;
  double texts = 0, query_tokens = 0;  // of all batches' queries
  for (const Batch& each : batches_) {
    texts += static_cast<double>(each.queries.size());
    for (uint32_t query : each.queries)
      query_tokens += 2 + static_cast<double>(store_->query_tokens()[query].size());
  }
  const auto batches = static_cast<double>(batches_.size());
  flops += 3 * (encoder(encoded, tokens, 4) + encoder(texts / batches, query_tokens / batches, 2));
  // The bank's rows are constants: nothing flows back into them.
  return flops + 2 * history(static_cast<double>(model.representation_width), 2 + per_layer);
}

int64_t StepBench::model_bytes() const {
  constexpr int64_t kCopies = 4;  // weights, gradients, two moments
  return kCopies * 4 * optimizer_->num_parameters() + state_->tables.size_bytes() +
         (state_->bank ? state_->bank->size_bytes() : 0);
}

}  // namespace lemur
