// A store and a run with untrained models, for tests of serving.
#pragma once

#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "lemur/base/testing.h"
#include "lemur/data/run_folder.h"
#include "lemur/data/sample_store_testing.h"
#include "lemur/feedback/feedback_event.h"
#include "lemur/model/bank_writer.h"
#include "lemur/model/model_state.h"
#include "lemur/serving/catalogue.h"
#include "lemur/serving/snapshot.h"

namespace lemur {

/// What a user did with a document.
inline FeedbackEvent event_of(const std::string& user, const std::string& document, int64_t time_ms,
                              const std::string& action) {
  FeedbackEvent event;
  event.user = user;
  event.document = document;
  event.time_ms = time_ms;
  event.action = action;
  return event;
}

/// 120 events over 20 documents; query q's text is "query <q>", as its tokens say.
struct ServedStore {
  explicit ServedStore(int64_t num_events = 120) {
    StoreContent content = random_store({.num_events = static_cast<size_t>(num_events),
                                         .num_actions = 200,
                                         .history_length = 8,
                                         .vocabulary = 16});
    std::vector<std::string> pieces = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query"};
    for (int digit = 0; digit < 10; ++digit) pieces.push_back(fmt::format("{}", digit));
    for (size_t q = 0; q < content.query_texts.size(); ++q)
      content.query_tokens[q] = {5, 6 + static_cast<int32_t>(q)};
    write_store(folder.path() / "store", content, pieces);
    store = std::make_unique<SampleStore>(folder.path() / "store");
    options.model.encoder_width = options.model.representation_width = 16;
    options.model.encoder_heads = 2;
    options.model.document_layers = 2;
    options.model.query_layers = 1;
    options.model.tokens = 4;
    options.model.token_width = 16;
    options.data.columns.document = "document";
    options.data.columns.user = "user";
    options.bank.enabled = true;
    catalogue = std::make_unique<Catalogue>(*store, options);
    run().create(options, *store);
  }

  RunFolder run() const { return RunFolder(folder.path() / "run"); }

  /// Writes a checkpoint of an untrained model with other weights for each step; the bank holds the
  /// first `in_bank` documents.
  std::filesystem::path save(int64_t step, uint32_t in_bank = 20) const {
    Options other = options;
    other.train.seed = step;
    ModelState state(other, store->schema(), SpecialTokens::load(store->vocabulary_path()));
    std::vector<uint32_t> documents(in_bank);
    for (uint32_t d = 0; d < in_bank; ++d) documents[d] = d;
    DocumentBank bank(*store, *state.bank);
    encode_into_bank(*store, state, documents, step, bank, {});
    FolderWriter writer(run().checkpoint(step));
    state.save(writer);
    writer.publish({{"format", "lemur checkpoint"}, {"version", 1}, {"step", step}});
    return run().checkpoint(step);
  }

  std::shared_ptr<Snapshot> load(int64_t step, uint32_t in_bank = 20) const {
    return load_snapshot(run(), save(step, in_bank), {});
  }

  /// The request that shows the documents of these numbers.
  RankRequest request(const std::vector<int>& documents) const {
    RankRequest request{.user = "u1", .query = "query 3", .time_ms = 100};
    for (int d : documents) request.documents.push_back({.document = fmt::format("d{}", d)});
    return request;
  }

  /// Makes the model's weights no numbers.
  void poison(Snapshot& snapshot) const {
    for (auto& parameter : snapshot.state.model->parameters())
      parameter.fill_(std::numeric_limits<float>::quiet_NaN());
  }

  TemporaryFolder folder;
  std::unique_ptr<SampleStore> store;
  Options options;
  std::unique_ptr<Catalogue> catalogue;
};

}  // namespace lemur
