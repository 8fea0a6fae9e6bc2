#include "lemur/train/dense_optimizer.h"

#include <torch/torch.h>

#include <cmath>

#include "lemur/kernels/adamw.h"

namespace lemur {

double learning_rate_of(const TrainOptions& options, const std::string& name) {
  if (!name.starts_with("document_encoder.") && !name.starts_with("query_encoder."))
    return options.learning_rate;
  if (name.ends_with(".word_embedding.weight") && options.word_learning_rate > 0)
    return options.word_learning_rate;
  return options.encoder_learning_rate > 0 ? options.encoder_learning_rate : options.learning_rate;
}

int64_t frozen_steps_of(const Options& options, const std::string& name) {
  const bool pretrained =
      (name.starts_with("document_encoder.") && !options.model.document_pretrained.empty()) ||
      (name.starts_with("query_encoder.") && !options.model.query_pretrained.empty());
  const bool projection = name.find("_encoder.output.") != std::string::npos;
  return pretrained && !projection ? options.train.freeze_encoder_steps : 0;
}

DenseOptimizer::DenseOptimizer(torch::nn::Module& module, const AdamWOptions& options,
                               const std::function<double(const std::string& name)>& learning_rate,
                               const std::function<int64_t(const std::string& name)>& frozen_steps)
    : options_(options) {
  torch::NoGradGuard no_grad;
  auto parameters = module.named_parameters();
  int64_t total = 0;
  for (const auto& item : parameters) {
    segments_.push_back({total, total + item.value().numel(), learning_rate(item.key()),
                         item.value().dim() > 1, frozen_steps ? frozen_steps(item.key()) : 0});
    total += item.value().numel();
  }
  values_ = torch::empty(total);
  gradients_ = torch::zeros(total);
  first_ = torch::zeros(total);
  second_ = torch::zeros(total);
  size_t i = 0;
  for (auto& item : parameters) {
    torch::Tensor parameter = item.value();
    const Segment& segment = segments_[i++];
    torch::Tensor view =
        values_.narrow(0, segment.begin, segment.end - segment.begin).view_as(parameter);
    view.copy_(parameter);
    parameter.set_data(view);
    parameter.mutable_grad() =
        gradients_.narrow(0, segment.begin, segment.end - segment.begin).view_as(parameter);
  }
  if (options_.average_decay > 0) average_ = values_.clone();
}

void DenseOptimizer::zero_grad() { gradients_.zero_(); }

double DenseOptimizer::clip(double clip_norm) {
  double norm = std::sqrt(sum_of_squares(gradients_.numel(), gradients_.data_ptr<float>()));
  if (clip_norm > 0 && std::isfinite(norm) && norm > clip_norm) gradients_.mul_(clip_norm / norm);
  return norm;
}

void DenseOptimizer::step(double factor) {
  ++num_steps_;
  for (const Segment& segment : segments_)
    if (segment.frozen_steps >= 0 && num_steps_ > segment.frozen_steps) step(segment, factor);
  if (average_.defined()) {
    // Early on the average follows the weights closely, so that the first weights leave no trace.
    double decay = std::min(options_.average_decay, (1.0 + num_steps_) / (10.0 + num_steps_));
    average_.lerp_(values_, 1 - decay);
  }
}

void DenseOptimizer::step(const Segment& segment, double factor) {
  const auto updates = static_cast<double>(num_steps_ - segment.frozen_steps);
  double correction1 = 1 - std::pow(options_.beta1, updates),
         correction2 = 1 - std::pow(options_.beta2, updates);
  const double rate = factor * segment.learning_rate;
  const AdamWFactors factors = {
      .beta1 = static_cast<float>(options_.beta1),
      .beta2 = static_cast<float>(options_.beta2),
      .epsilon = static_cast<float>(options_.epsilon),
      .step_size = static_cast<float>(rate / correction1),
      .root = static_cast<float>(1 / std::sqrt(correction2)),
      .keep = static_cast<float>(1 - (segment.decays ? rate * options_.weight_decay : 0))};
  const int64_t begin = segment.begin;
  adamw_update(factors, segment.end - begin, gradients_.data_ptr<float>() + begin,
               first_.data_ptr<float>() + begin, second_.data_ptr<float>() + begin,
               values_.data_ptr<float>() + begin);
}

void DenseOptimizer::swap_average() {
  if (!average_.defined()) return;
  torch::Tensor held = values_.clone();
  values_.copy_(average_);
  average_.copy_(held);
}

std::vector<std::pair<std::string, torch::Tensor>> DenseOptimizer::state() const {
  std::vector<std::pair<std::string, torch::Tensor>> state = {
      {"weights", values_}, {"first_moment", first_}, {"second_moment", second_}};
  if (average_.defined()) state.emplace_back("average", average_);
  return state;
}

}  // namespace lemur
