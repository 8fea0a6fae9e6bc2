// The architecture in one place: encoders, decoders, similarity, ranker and losses of LEMUR
// (model.md 2-6).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lemur/base/options.h"
#include "lemur/data/sample_store.h"
#include "lemur/model/encoder_graphs.h"
#include "lemur/model/token_batch.h"
#include "lemur/nn/bert_encoder.h"
#include "lemur/nn/decoder.h"
#include "lemur/nn/encoder.h"
#include "lemur/nn/mlp.h"
#include "lemur/nn/ragged_history.h"
#include "lemur/nn/rankmixer.h"
#include "lemur/nn/rankmixer_moe.h"

namespace lemur {

/// Everything that one forward pass reads; B samples, I distinct documents, J distinct queries, U
/// distinct history documents, F features.
struct RankingInput {
  std::vector<torch::Tensor> features;  ///< F times [B, width]
  torch::Tensor documents;              ///< [I, r] representations; undefined without content
  torch::Tensor document_of;            ///< int64 [B] into `documents`
  torch::Tensor queries;                ///< [J, r]; undefined in feeds
  torch::Tensor query_of;               ///< int64 [B] into `queries`, -1: none
  torch::Tensor history_content;        ///< [U, r] bank vectors; undefined without a bank
  torch::Tensor history_ids;  ///< [U, width] ID embeddings; undefined without an ID feature
  std::vector<RaggedHistory>
      content_histories;  ///< per history, documents that the bank lacks marked -1
  std::vector<RaggedHistory> id_histories;  ///< per history

  /// Returns it on a device; histories' indices, which are many, in 32 bits there.
  RankingInput on(torch::Device device) const;
};

/// What the ranker reads, in parts that a person would name.
struct RankerInput {
  struct Group {
    std::string name;  ///< user, document, context, cross, "ids of" or "content of" a history,
                       ///< query, content, similarity
    int64_t begin = 0, width = 0;  ///< columns of `features`
  };
  torch::Tensor features;  ///< [B, width]
  std::vector<Group> groups;
};

/// What forward returns, and the losses' parts.
struct RankingOutput {
  torch::Tensor logits;            ///< [B, num_labels]
  torch::Tensor dense_logits;      ///< of rankmixer_moe in training: under the dense router
  torch::Tensor expert_activity;   ///< likewise: scalar, MixedByBoth::activity
  torch::Tensor anchors;           ///< [B, r] of SQDC: queries, or what stands for them in feeds
  torch::Tensor sample_documents;  ///< [B, r]; undefined without content
  torch::Tensor anchor_mask;       ///< bool [B]: the sample has an anchor
  torch::Tensor documents, document_ids;  ///< [I, r] of CIC in training: representations and
                                          ///< projected ID embeddings; undefined where it is off
};

/// Labels and keys that the losses need.
struct RankingTargets {
  torch::Tensor labels;          ///< float [B, num_labels]
  torch::Tensor weights;         ///< float [B]
  torch::Tensor log_odds_shift;  ///< float [B], Batch::log_odds_shift; undefined: none
  torch::Tensor requests;        ///< int64 [B]
  torch::Tensor documents;       ///< int64 [B]

  RankingTargets on(torch::Device device) const;
};

/// What the losses of a part weigh in those of its batch.
struct LossShares {
  double cross_entropy = 1;  ///< of the weights
  double other_labels = 1;   ///< of the weights of labels but the first, which hold what was drawn
  bool alignment = true;     ///< false: SQDC is computed over the whole batch (alignment())
};

struct RankingLosses {
  /// Scalars; alignment and content_id are undefined when they are off.
  torch::Tensor total, cross_entropy, alignment, content_id;
};

class RankingModelImpl : public torch::nn::Module {
 public:
  /// Builds the modules that options and schema ask for. Throws InvalidArgument where they
  /// contradict (a content history without a bank).
  RankingModelImpl(const ModelOptions& options, bool has_bank, const StoreSchema& schema);

  bool has_content() const { return has_content_; }
  bool has_queries() const { return has_queries_; }
  bool reads_content_histories() const {
    return content_history_ || similarity_ || (feed_history_ && makes_anchors());
  }
  bool reads_id_histories() const { return id_history_; }
  int64_t representation_width() const { return options_.representation_width; }
  const ModelOptions& options() const { return options_; }

  /// The encoders. Of each pair at most one is there, by options.document_bert and query_bert; the
  /// other is empty.
  Encoder document_encoder() const { return document_encoder_; }
  Encoder query_encoder() const { return query_encoder_; }
  BertEncoder document_bert() const { return document_bert_; }
  BertEncoder query_bert() const { return query_bert_; }

  /// Lets `share` of the ranking loss's gradient into the encoders; with model.stop_gradient none.
  /// Without queries and a contrastive loss, which would train them in its place, all of it.
  void pass_encoder_gradient(double share) { encoder_gradient_ = share; }

  /// Lets the untrained ranker answer with these probabilities of the labels, whatever it reads:
  /// the base rate is no reason to move an encoder. `rates` [num_labels].
  void start_from_rates(const std::vector<double>& rates);

  /// While `frozen`, the pretrained encoders run without a graph up to their projection; without
  /// pretrained ones, the encoders run without a graph as a whole.
  void freeze_encoders(bool frozen);

  /// Whether there is an SQDC loss: content, and queries or a history that takes their place.
  bool has_alignment() const {
    return options_.alignment_weight > 0 && has_content_ && (has_queries_ || feed_history_);
  }

  /// While `on`, SQDC's anchors are made outside of training too.
  void keep_anchors(bool on) { keeps_anchors_ = on; }

  /// The device of all parameters: what the model is given it moves there, what it returns lies
  /// there.
  torch::Device device() const { return head_->weight.device(); }

  /// Computes matrix products of the forward pass in bfloat16, which needs CUDA; everything that is
  /// returned is float32.
  void compute_in_bfloat16(bool on) { bfloat16_ = on; }

  /// Records the launches of the document encoder and replays them (encoder_graphs.h), where it is
  /// lemur's own; to be called once all parameters lie where they stay.
  void record_launches();

  /// Encodes packed texts and images to [n, r].
  torch::Tensor encode_documents(const TokenBatch& texts);
  torch::Tensor encode_queries(const TokenBatch& texts);

  /// Scores the samples.
  RankingOutput forward(const RankingInput& input);

  /// The two halves of forward: collects what the ranker reads, noting in `output` what the losses
  /// need beside the logits; and makes logits [B, num_labels] of such features.
  RankerInput collect(const RankingInput& input, RankingOutput& output);
  torch::Tensor rank(const torch::Tensor& features);

  /// Returns SQDC's anchors [B, r] of samples with queries: rows of `queries` [J, r], zeros where
  /// `query_of` is -1.
  static torch::Tensor query_anchors(const torch::Tensor& queries, const torch::Tensor& query_of);

  /// Returns SQDC over samples, of which `output` holds anchors, their mask and documents.
  torch::Tensor alignment(const RankingOutput& output, const RankingTargets& targets) const;

  /// Total = sum_t w_t BCE_t + lambda SQDC + mu CIC (model.md 3), each times its share. Of
  /// rankmixer_moe the first term is the mean over both routers, plus the penalty on the gates.
  RankingLosses losses(const RankingOutput& output, const RankingTargets& targets,
                       const LossShares& shares = {}) const;

 private:
  bool makes_anchors() const { return keeps_anchors_ || is_training(); }
  torch::Tensor drop_embeddings(const torch::Tensor& value);
  torch::Tensor pass_gradient(const torch::Tensor& content) const;
  torch::Tensor similarity(const torch::Tensor& targets, const torch::Tensor& documents,
                           const RaggedHistory& history) const;
  void choose_feed_history();
  void build_ranker(int64_t width);
  torch::Tensor ids_of_documents(const RankingInput& input);
  torch::Tensor cross_entropy(const torch::Tensor& logits, const RankingTargets& targets,
                              const LossShares& shares) const;
  RankingOutput score(const RankingInput& input);

  ModelOptions options_;
  StoreSchema schema_;
  bool bfloat16_ = false, frozen_ = false, keeps_anchors_ = false;
  double encoder_gradient_ = 1;
  std::unique_ptr<EncoderGraphs> graphs_;  // of the document encoder; null: not recorded
  bool has_content_, has_queries_, content_history_, id_history_, similarity_;
  std::vector<size_t> feature_order_;   // user, document, then context and cross
  std::optional<size_t> feed_history_;  // its last documents are SQDC's anchor
  std::optional<size_t> id_feature_;    // on the document's ID, unless it is left out

  Encoder document_encoder_{nullptr}, query_encoder_{nullptr};
  BertEncoder document_bert_{nullptr}, query_bert_{nullptr};    // registered in their places
  std::vector<HistoryDecoder> content_decoders_, id_decoders_;  // per history; null: left out
  RankMixer rankmixer_{nullptr};
  RankMixerMoe rankmixer_moe_{nullptr};
  Mlp mlp_{nullptr};
  Linear head_{nullptr}, feed_anchor_{nullptr}, content_id_{nullptr};
};
TORCH_MODULE(RankingModel);

}  // namespace lemur
