#include "lemur/train/dense_optimizer.h"

#include <torch/torch.h>

#include <cmath>

#include "lemur/kernels/adamw.h"
#include "lemur/kernels/device.h"
#include "lemur/kernels/optimizer_cuda.h"

namespace lemur {

double learning_rate_of(const TrainOptions& options, const std::string& name) {
  if (!name.starts_with("document_encoder.") && !name.starts_with("query_encoder."))
    return options.learning_rate;
  if (name.ends_with(".word_embedding.weight") && options.word_learning_rate > 0)
    return options.word_learning_rate;
  return options.encoder_learning_rate > 0 ? options.encoder_learning_rate : options.learning_rate;
}

int64_t frozen_steps_of(const Options& options, const std::string& name) {
  const bool of_document = name.starts_with("document_encoder."),
             of_query = name.starts_with("query_encoder.");
  if (!options.train.start_from.empty())
    return of_document || of_query ? options.train.freeze_encoder_steps : 0;
  const bool pretrained = (of_document && !options.model.document_pretrained.empty()) ||
                          (of_query && !options.model.query_pretrained.empty());
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
  const torch::Device device = total > 0 ? parameters.front().value().device() : torch::kCPU;
  values_ = torch::empty(total, device);
  gradients_ = torch::zeros(total, device);
  first_ = torch::zeros(total, device);
  second_ = torch::zeros(total, device);
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
  const float* gradients = gradients_.data_ptr<float>();
  double squares;
  if (takes_launchers(gradients_.device())) {
    torch::Tensor parts =
        torch::empty(cuda::kSquareParts, gradients_.options().dtype(torch::kFloat64));
    cuda::sum_of_squares(gradients_.numel(), gradients, parts.data_ptr<double>(),
                         stream_of(gradients_));
    squares = parts.sum().item<double>();
  } else {
    squares = sum_of_squares(gradients_.numel(), gradients);
  }
  const double norm = std::sqrt(squares);
  if (clip_norm > 0 && std::isfinite(norm) && norm > clip_norm) gradients_.mul_(clip_norm / norm);
  return norm;
}

void DenseOptimizer::step(double factor) {
  ++num_steps_;
  const bool on_device = takes_launchers(values_.device());
  if (on_device) step_on_device(factor);
  for (const Segment& segment : segments_)
    if (!on_device && moves(segment))
      adamw_update(
          factors_of(segment, factor), segment.end - segment.begin,
          gradients_.data_ptr<float>() + segment.begin, first_.data_ptr<float>() + segment.begin,
          second_.data_ptr<float>() + segment.begin, values_.data_ptr<float>() + segment.begin);
  if (average_.defined()) average_.lerp_(values_, 1 - average_decay());
}

double DenseOptimizer::average_decay() const {
  return std::min(options_.average_decay, (1.0 + num_steps_) / (10.0 + num_steps_));
}

/// Whether the step at hand moves the segment.
bool DenseOptimizer::moves(const Segment& segment) const {
  return segment.frozen_steps >= 0 && num_steps_ > segment.frozen_steps;
}

void DenseOptimizer::step_on_device(double factor) {
  std::vector<cuda::AdamWSegment> segments;
  for (const Segment& segment : segments_)
    segments.push_back(moves(segment)
                           ? cuda::AdamWSegment{segment.begin, factors_of(segment, factor), 0}
                           : cuda::AdamWSegment{segment.begin, {}, 1});
  const auto bytes = static_cast<int64_t>(segments.size() * sizeof(segments[0]));
  const torch::Tensor there =
      torch::from_blob(segments.data(), {bytes}, torch::kUInt8).to(values_.device());
  cuda::adamw_update(static_cast<const cuda::AdamWSegment*>(there.data_ptr()), std::ssize(segments),
                     values_.numel(), gradients_.data_ptr<float>(), first_.data_ptr<float>(),
                     second_.data_ptr<float>(), values_.data_ptr<float>(), stream_of(values_));
}

AdamWFactors DenseOptimizer::factors_of(const Segment& segment, double factor) const {
  const auto updates = static_cast<double>(num_steps_ - segment.frozen_steps);
  double correction1 = 1 - std::pow(options_.beta1, updates),
         correction2 = 1 - std::pow(options_.beta2, updates);
  const double rate = factor * segment.learning_rate;
  return {.beta1 = static_cast<float>(options_.beta1),
          .beta2 = static_cast<float>(options_.beta2),
          .epsilon = static_cast<float>(options_.epsilon),
          .step_size = static_cast<float>(rate / correction1),
          .root = static_cast<float>(1 / std::sqrt(correction2)),
          .keep = static_cast<float>(1 - (segment.decays ? rate * options_.weight_decay : 0))};
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
