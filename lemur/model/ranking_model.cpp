#include "lemur/model/ranking_model.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "lemur/base/error.h"
#include "lemur/kernels/device.h"
#include "lemur/kernels/ragged_rows.h"
#include "lemur/kernels/shared_attention.h"
#include "lemur/model/bert_checkpoint.h"
#include "lemur/model/image_patches.h"
#include "lemur/nn/cic.h"
#include "lemur/nn/ragged_similarity.h"
#include "lemur/nn/recent_mean.h"
#include "lemur/nn/sqdc.h"
#include "lemur/nn/unit_rows.h"
#include "lemur/simd/flops.h"

namespace lemur {
namespace {

constexpr double kSurest = 1e-6;  // base rates are held between it and 1 - it
constexpr int64_t kDocumentLayers = 4, kQueryLayers = 2;  // where the options say 0

int64_t feature_width(const StoreSchema::Feature& feature) {
  return feature.is_number ? 1 : feature.width;
}

constexpr const char* kAllMatches = "text match";  // as model.without_features names them

bool left_out(const ModelOptions& options, const StoreSchema::Feature& feature) {
  return std::ranges::any_of(options.without_features, [&](const std::string& name) {
    return name == feature.name || (feature.is_match && name == kAllMatches);
  });
}

void check_left_out(const ModelOptions& options, const StoreSchema& schema) {
  for (const std::string& name : options.without_features)
    if (name != kAllMatches &&
        !std::ranges::count(schema.features, name, &StoreSchema::Feature::name))
      fail<InvalidArgument>("model", "model.without_features names '{}'; no feature of the store",
                            name);
}

/// Whether any history's representations are decoded. Throws InvalidArgument where the options
/// leave out a history that the store lacks.
bool decodes_content(const ModelOptions& options, const StoreSchema& schema) {
  for (const std::string& name : options.without_content_histories)
    if (std::ranges::find(schema.histories, name, &StoreSchema::History::name) ==
        schema.histories.end())
      fail<InvalidArgument>("model",
                            "model.without_content_histories names '{}'; the store has no such "
                            "history",
                            name);
  return options.content_history &&
         std::ranges::any_of(schema.histories, [&](const StoreSchema::History& history) {
           return !std::ranges::count(options.without_content_histories, history.name);
         });
}

bool trains_ranker(const ModelOptions& options) {
  return options.task_weights.empty() ||
         std::ranges::any_of(options.task_weights, [](double weight) { return weight != 0; });
}

int64_t patch_width(const ModelOptions& options, const StoreSchema& schema) {
  return schema.images.empty() ? 0 : 3 * options.patch_pixels * options.patch_pixels;
}

int64_t patch_parts(const ModelOptions& options) {
  const int64_t parts = options.patch_pixels / part_side(options.patch_pixels);
  return parts * parts;
}

/// Moves tensors to a device, each once however often it is asked for.
class Mover {
 public:
  explicit Mover(torch::Device device) : device_(device) {}

  torch::Tensor operator()(const torch::Tensor& x) {
    if (!x.defined() || x.device() == device_) return x;
    for (const auto& [from, to] : moved_)
      if (from.is_same(x)) return to;
    return moved_.emplace_back(x, x.to(device_)).second;
  }

  RaggedHistory operator()(const RaggedHistory& history) {
    if (history.offsets.device() == device_) return history;
    return {(*this)(history.offsets), narrow(history.document), narrow(history.gap),
            narrow(history.action)};
  }

 private:
  using Moved = std::vector<std::pair<torch::Tensor, torch::Tensor>>;

  torch::Tensor narrow(const torch::Tensor& x) {
    for (const auto& [from, to] : narrowed_)
      if (from.is_same(x)) return to;
    return narrowed_.emplace_back(x, x.to(torch::kInt32).to(device_)).second;
  }

  torch::Device device_;
  Moved moved_, narrowed_;
};

}  // namespace

RankingInput RankingInput::on(torch::Device device) const {
  Mover move(device);
  RankingInput result = *this;
  for (torch::Tensor& feature : result.features) feature = move(feature);
  for (torch::Tensor* x : {&result.documents, &result.document_of, &result.queries,
                           &result.query_of, &result.history_content, &result.history_ids})
    *x = move(*x);
  for (auto* histories : {&result.content_histories, &result.id_histories})
    for (RaggedHistory& history : *histories) history = move(history);
  return result;
}

RankingTargets RankingTargets::on(torch::Device device) const {
  Mover move(device);
  return {move(labels), move(weights), move(log_odds_shift), move(requests), move(documents)};
}

RankingModelImpl::RankingModelImpl(const ModelOptions& options, bool has_bank,
                                   const StoreSchema& schema)
    : options_(options), schema_(schema) {
  has_content_ = options.content && !(schema.text.empty() && schema.images.empty());
  has_queries_ = options.content && schema.has_queries;
  const bool has_content_histories = has_content_ && has_bank && !schema.histories.empty();
  content_history_ = decodes_content(options, schema) && has_content_histories;
  similarity_ = options.similarity && has_content_histories;
  if (has_content_histories && !has_queries_ && options.alignment_weight > 0) choose_feed_history();

  check_left_out(options, schema);
  // The order of groups is fixed: user, document, context, cross.
  int64_t plain_width = 0, id_width = 0;
  for (const char* group : {"user", "document", "context", "cross"})
    for (size_t f = 0; f < schema.features.size(); ++f) {
      if (schema.features[f].of != group || left_out(options, schema.features[f])) continue;
      feature_order_.push_back(f);
      plain_width += feature_width(schema.features[f]);
      if (schema.features[f].is_document_id) id_feature_ = f, id_width = schema.features[f].width;
    }
  id_history_ = options.id_history && id_width > 0 && !schema.histories.empty();

  int64_t r = options.representation_width;
  if (has_content_ && !options.document_pretrained.empty()) {
    document_bert_ = register_module(
        "document_encoder",
        BertEncoder(bert_encoder_options(options.document_bert, std::ssize(schema.text), r,
                                         options.encoder_dropout)));
  } else if (has_content_) {
    document_encoder_ = register_module(
        "document_encoder",
        Encoder(EncoderOptions{
            .vocabulary = schema.vocabulary_size,
            .width = options.encoder_width,
            .layers = options.document_layers > 0 ? options.document_layers : kDocumentLayers,
            .heads = options.encoder_heads,
            .ffn_factor = options.encoder_ffn_factor,
            .max_length = max_document_length(schema, options.patch_pixels),
            .patch_width = patch_width(options, schema),
            .patch_parts = patch_parts(options),
            .types = std::ssize(schema.text) + std::ssize(schema.images),
            .output = r,
            .dropout = options.encoder_dropout,
            .pools_words = options.text_pooling == "weighted"}));
  }
  if (has_queries_ && !options.query_pretrained.empty()) {
    BertEncoderOptions query =
        bert_encoder_options(options.query_bert, /*fields=*/1, r, options.encoder_dropout);
    bool share = options.share_word_embeddings && !document_bert_.is_empty();
    query_bert_ = register_module(
        "query_encoder",
        share ? BertEncoder(query, document_bert_->word_embedding()) : BertEncoder(query));
  } else if (has_queries_) {
    EncoderOptions query{.vocabulary = schema.vocabulary_size,
                         .width = options.encoder_width,
                         .layers = options.query_layers > 0 ? options.query_layers : kQueryLayers,
                         .heads = options.encoder_heads,
                         .ffn_factor = options.encoder_ffn_factor,
                         .max_length = options.query_max_tokens + 2,
                         .types = 1,
                         .output = r,
                         .dropout = options.encoder_dropout,
                         .pools_words = options.text_pooling == "weighted"};
    bool share = options.share_word_embeddings && !document_encoder_.is_empty();
    query_encoder_ =
        register_module("query_encoder", share ? Encoder(query, document_encoder_->word_embedding())
                                               : Encoder(query));
  }

  int64_t content_width = (has_content_ ? r : 0) + (has_queries_ ? r : 0);
  auto decoder = [&](const std::string& name, int64_t width) {
    int64_t heads = width % options.decoder_heads == 0 ? options.decoder_heads : 1;
    return register_module(name, HistoryDecoder(HistoryDecoderOptions{
                                     .input = plain_width + content_width,
                                     .width = width,
                                     .layers = options.decoder_layers,
                                     .heads = heads,
                                     .projected = options.decoder_projected,
                                     .actions = static_cast<int64_t>(schema.actions.size())}));
  };
  int64_t ranker_width = plain_width + content_width + (has_content_ && has_queries_ ? r : 0);
  for (const auto& history : schema.histories) {
    if (content_history_ && std::ranges::count(options.without_content_histories, history.name))
      content_decoders_.emplace_back(nullptr);
    else if (content_history_)
      content_decoders_.push_back(decoder("content_decoder_" + history.name, r)), ranker_width += r;
    if (id_history_)
      id_decoders_.push_back(decoder("id_decoder_" + history.name, id_width)),
          ranker_width += id_width;
    if (similarity_) ranker_width += ragged_similarity_width(options.similarity_length);
  }
  if (ranker_width == 0)
    fail<InvalidArgument>(
        "model", "the configuration gives the ranker no input: no feature, no text, no history");

  build_ranker(ranker_width);
  if (feed_history_) feed_anchor_ = register_module("feed_anchor", Linear(r, r));
  if (options.content_id_weight > 0 && has_content_) {
    if (id_width == 0)
      fail<InvalidArgument>("model",
                            "model.content_id_weight = {} needs a category feature on the "
                            "document's ID",
                            options.content_id_weight);
    content_id_ = register_module("content_id", Linear(id_width, r));
  }
  if (!trains_ranker(options) && !has_alignment())
    fail<InvalidArgument>("model",
                          "model.task_weights are 0 and there is no contrastive loss to train");
}

void RankingModelImpl::build_ranker(int64_t width) {
  const ModelOptions& options = options_;
  const RankMixerOptions mixer{.input = width,
                               .tokens = options.tokens,
                               .width = options.token_width,
                               .layers = options.ranker_layers,
                               .ffn_factor = options.ranker_ffn_factor,
                               .dropout = options.ranker_dropout};
  int64_t top_width = options.token_width;
  if (options.ranker == "mlp") {
    mlp_ = register_module("mlp", Mlp(MlpOptions{.input = width, .widths = options.mlp_widths}));
    top_width = options.mlp_widths.empty() ? width : options.mlp_widths.back();
  } else if (options.ranker == "rankmixer_moe") {
    rankmixer_moe_ = register_module(
        "rankmixer_moe",
        RankMixerMoe(RankMixerMoeOptions{.mixer = mixer, .experts = options.experts}));
  } else {
    rankmixer_ = register_module("rankmixer", RankMixer(mixer));
  }
  head_ = register_module("head", Linear(top_width, static_cast<int64_t>(schema_.labels.size())));
}

void RankingModelImpl::choose_feed_history() {
  const auto& histories = schema_.histories;
  if (options_.feed_history.empty()) {
    feed_history_ = 0;
    return;
  }
  auto found = std::ranges::find(histories, options_.feed_history, &StoreSchema::History::name);
  if (found == histories.end())
    fail<InvalidArgument>("model", "model.feed_history names '{}'; the store has no such history",
                          options_.feed_history);
  feed_history_ = static_cast<size_t>(found - histories.begin());
}

void RankingModelImpl::start_from_rates(const std::vector<double>& rates) {
  const torch::NoGradGuard no_gradient;
  torch::nn::init::zeros_(head_->weight);
  for (size_t i = 0; i < rates.size(); ++i) {
    const double rate = std::clamp(rates[i], kSurest, 1 - kSurest);
    head_->bias[static_cast<int64_t>(i)] = std::log(rate / (1 - rate));
  }
}

/// Returns representations that give the encoders a share of the gradient that they get.
torch::Tensor RankingModelImpl::pass_gradient(const torch::Tensor& content) const {
  const double share = options_.stop_gradient            ? 0
                       : has_alignment() && has_queries_ ? encoder_gradient_
                                                         : 1;
  if (share == 1 || !content.requires_grad()) return content;
  return share == 0 ? content.detach() : content * share + content.detach() * (1 - share);
}

void RankingModelImpl::freeze_encoders(bool frozen) {
  for (BertEncoder* encoder : {&document_bert_, &query_bert_})
    if (!encoder->is_empty()) (*encoder)->freeze(frozen);
  frozen_ = frozen && document_bert_.is_empty() && query_bert_.is_empty();
}

void RankingModelImpl::record_launches() {
  if (!document_encoder_.is_empty()) graphs_ = std::make_unique<EncoderGraphs>(document_encoder_);
}

torch::Tensor RankingModelImpl::encode_documents(const TokenBatch& texts) {
  const TokenBatch all = texts.on(device());
  const FlopScope counted(FlopPart::kEncoders);
  const torch::AutoGradMode graph(torch::GradMode::is_enabled() && !frozen_);
  const Bfloat16Scope scope(bfloat16_);
  if (graphs_)
    if (const auto replayed = graphs_->encode(all)) return full_precision(*replayed);
  return full_precision(
      document_bert_.is_empty()
          ? document_encoder_(all.tokens, all.positions, all.types, all.offsets, all.patches)
          : document_bert_(all.tokens, all.positions, all.types, all.offsets));
}

torch::Tensor RankingModelImpl::encode_queries(const TokenBatch& texts) {
  const TokenBatch all = texts.on(device());
  const FlopScope counted(FlopPart::kEncoders);
  const torch::AutoGradMode graph(torch::GradMode::is_enabled() && !frozen_);
  const Bfloat16Scope scope(bfloat16_);
  return full_precision(query_bert_.is_empty()
                            ? query_encoder_(all.tokens, all.positions, all.types, all.offsets)
                            : query_bert_(all.tokens, all.positions, all.types, all.offsets));
}

torch::Tensor RankingModelImpl::drop_embeddings(const torch::Tensor& value) {
  if (!is_training() || options_.embedding_dropout == 0) return value;
  double keep = 1 - options_.embedding_dropout;
  return value *
         (torch::rand({value.size(0), 1}, value.options()) < keep).to(value.dtype()).div_(keep);
}

RankingOutput RankingModelImpl::forward(const RankingInput& input) {
  const Bfloat16Scope scope(bfloat16_);
  RankingOutput output = score(input.on(device()));
  for (torch::Tensor* part :
       {&output.logits, &output.dense_logits, &output.expert_activity, &output.anchors,
        &output.sample_documents, &output.documents, &output.document_ids})
    *part = full_precision(*part);
  return output;
}

RankingOutput RankingModelImpl::score(const RankingInput& input) {
  RankingOutput output;
  const torch::Tensor features = collect(input, output).features;
  if (!content_id_.is_empty() && is_training()) {
    output.documents = input.documents;
    output.document_ids = content_id_(ids_of_documents(input));
  }
  const FlopScope counted(FlopPart::kRanker);
  if (rankmixer_moe_.is_empty() || !is_training()) {
    output.logits = rank(features);
    return output;
  }
  const MixedByBoth both = rankmixer_moe_->forward_both(features);
  output.logits = head_(both.sparse);
  output.dense_logits = head_(both.dense);
  output.expert_activity = both.activity;
  return output;
}

torch::Tensor RankingModelImpl::rank(const torch::Tensor& features) {
  if (!mlp_.is_empty()) return head_(mlp_(features));
  return head_(rankmixer_moe_.is_empty() ? rankmixer_(features) : rankmixer_moe_(features));
}

/// Returns the ID embeddings [I, width] of the distinct documents, each from one of its samples.
torch::Tensor RankingModelImpl::ids_of_documents(const RankingInput& input) {
  const torch::Tensor document_of = input.document_of.cpu();
  torch::Tensor sample = torch::zeros({input.documents.size(0)}, torch::kInt64);
  for (int64_t i = 0; i < document_of.numel(); ++i)
    sample.data_ptr<int64_t>()[document_of.data_ptr<int64_t>()[i]] = i;
  return input.features[*id_feature_].index_select(0, sample.to(device()));
}

RankerInput RankingModelImpl::collect(const RankingInput& input, RankingOutput& output) {
  RankerInput result;
  std::vector<torch::Tensor> groups;
  int64_t width = 0;
  const auto add = [&](const std::string& name, const torch::Tensor& values) {
    if (result.groups.empty() || result.groups.back().name != name)
      result.groups.push_back({name, width, 0});
    result.groups.back().width += values.size(1);
    width += values.size(1);
    groups.push_back(values);
  };
  for (size_t f : feature_order_)
    add(schema_.features[f].of,
        schema_.features[f].is_number ? input.features[f] : drop_embeddings(input.features[f]));

  std::vector<torch::Tensor> content;
  if (has_content_) {
    output.sample_documents = input.documents.index_select(0, input.document_of);
    content.push_back(pass_gradient(output.sample_documents));
  }
  if (has_queries_) {
    output.anchors = query_anchors(input.queries, input.query_of);
    output.anchor_mask = input.query_of >= 0;
    content.push_back(pass_gradient(output.anchors));
  }
  if (feed_history_ && makes_anchors()) {
    RecentMean recent = recent_mean(input.history_content, input.content_histories[*feed_history_],
                                    options_.feed_documents);
    output.anchors = feed_anchor_(recent.mean);
    output.anchor_mask = recent.exists;
  }

  const FlopScope counted(FlopPart::kHistories);
  if (content_history_ || id_history_) {
    std::vector<torch::Tensor> seen = groups;
    seen.insert(seen.end(), content.begin(), content.end());
    const torch::Tensor features = torch::cat(seen, 1);
    for (size_t h = 0; h < schema_.histories.size(); ++h) {
      const std::string& name = schema_.histories[h].name;
      if (content_history_ && !content_decoders_[h].is_empty())
        add("content of " + name,
            content_decoders_[h](features, input.history_content, input.content_histories[h]));
      if (id_history_)
        add("ids of " + name, id_decoders_[h](features, input.history_ids, input.id_histories[h]));
    }
  }

  if (has_content_) add("content", content[0]);
  if (has_queries_) add("query", content.back());
  if (has_content_ && has_queries_) add("query times content", content[0] * content[1]);

  if (similarity_) {
    const torch::Tensor targets = unit_rows(content[0]),
                        documents = unit_rows(input.history_content);
    for (const RaggedHistory& history : input.content_histories)
      add("similarity", similarity(targets, documents, history));
  }
  result.features = torch::cat(groups, 1);
  return result;
}

torch::Tensor RankingModelImpl::similarity(const torch::Tensor& targets,
                                           const torch::Tensor& documents,
                                           const RaggedHistory& history) const {
  const int64_t k = options_.similarity_length;
  if (!history.samples.defined())
    return ragged_similarity(ragged_dots(targets, documents, history.offsets, history.document),
                             history.offsets, history.document, k);
  const torch::Tensor lengths =
      history.offsets.diff().repeat_interleave(history.samples.diff()).cumsum(0);
  return ragged_similarity(shared_dots(targets, documents.index_select(0, history.document),
                                       {history.samples, history.offsets}),
                           torch::cat({torch::zeros({1}, torch::kInt64), lengths}), {}, k);
}

torch::Tensor RankingModelImpl::cross_entropy(const torch::Tensor& logits,
                                              const RankingTargets& targets,
                                              const LossShares& shares) const {
  // What was drawn among the unclicked: the first label's odds are those of the draw, and of the
  // other labels each unclicked impression stands for as many as it was drawn from.
  torch::Tensor drawn = logits, weights = targets.weights.unsqueeze(1);
  if (targets.log_odds_shift.defined()) {
    const torch::Tensor shift = targets.log_odds_shift.unsqueeze(1),
                        clicked = targets.labels.narrow(1, 0, 1) > 0.5;
    const int64_t others = logits.size(1) - 1;
    drawn = torch::cat({logits.narrow(1, 0, 1) + shift, logits.narrow(1, 1, others)}, 1);
    weights = torch::cat(
        {weights, (weights * shift.exp().masked_fill(clicked, 1)).expand({-1, others})}, 1);
  }
  const torch::Tensor entropy =
      torch::binary_cross_entropy_with_logits(drawn, targets.labels, {}, {}, at::Reduction::None);
  torch::Tensor per_task = (entropy * weights).sum(0) / weights.sum(0).clamp_min(1e-12);
  if (trains_ranker(options_) && !options_.task_weights.empty())
    per_task = per_task * torch::tensor(options_.task_weights, per_task.options());
  return per_task[0] * shares.cross_entropy + per_task.slice(0, 1).sum() * shares.other_labels;
}

torch::Tensor RankingModelImpl::query_anchors(const torch::Tensor& queries,
                                              const torch::Tensor& query_of) {
  const int64_t none = queries.size(0);
  const torch::Tensor padded =
      torch::cat({queries, torch::zeros({1, queries.size(1)}, queries.options())});
  return padded.index_select(
      0, torch::where(query_of < 0, torch::full_like(query_of, none), query_of));
}

torch::Tensor RankingModelImpl::alignment(const RankingOutput& output,
                                          const RankingTargets& given) const {
  const RankingTargets targets = given.on(device());
  return sqdc_loss(output.anchors, output.sample_documents, targets.labels.select(1, 0),
                   targets.requests, targets.documents,
                   SqdcOptions{.temperature = options_.temperature,
                               .session_mask = options_.session_mask,
                               .document_mask = options_.document_mask,
                               .negatives_all = options_.negatives == "all"},
                   output.anchor_mask);
}

RankingLosses RankingModelImpl::losses(const RankingOutput& output, const RankingTargets& given,
                                       const LossShares& shares) const {
  const RankingTargets targets = given.on(device());
  RankingLosses result;
  result.cross_entropy = cross_entropy(output.logits, targets, shares);
  // Where the ranker is not trained its entropy is only told: no gradient is computed through it.
  result.total = trains_ranker(options_) ? result.cross_entropy
                                         : torch::zeros({}, result.cross_entropy.options());
  if (output.dense_logits.defined() && trains_ranker(options_))
    result.total = (result.total + cross_entropy(output.dense_logits, targets, shares)) * 0.5 +
                   output.expert_activity * (options_.expert_penalty * shares.cross_entropy);
  if (shares.alignment && options_.alignment_weight > 0 && output.sample_documents.defined() &&
      output.anchors.defined()) {
    result.alignment = alignment(output, targets);
    result.total = result.total + options_.alignment_weight * result.alignment;
  }
  if (output.document_ids.defined()) {
    result.content_id = cic_loss(output.documents, output.document_ids, options_.temperature) *
                        shares.cross_entropy;
    result.total = result.total + options_.content_id_weight * result.content_id;
  }
  return result;
}

}  // namespace lemur
