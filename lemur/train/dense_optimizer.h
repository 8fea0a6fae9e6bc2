// AdamW over one flat buffer that holds every dense parameter (model.md 7).
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "lemur/base/options.h"
#include "lemur/kernels/adamw.h"

namespace lemur {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay =
      0.01;  ///< decoupled; of matrices only, vectors (biases, norms) are not decayed
  double average_decay = 0;  ///< decay per step of the moving average of the weights; 0: off
};

/// Returns the learning rate of the model's dense parameter `name` before the schedule.
double learning_rate_of(const TrainOptions& options, const std::string& name);

/// Returns in how many steps from the first the parameter `name` stays as it is, -1: in all.
int64_t frozen_steps_of(const Options& options, const std::string& name);

/// Moves the parameters of a module into one flat tensor, their gradients into another, and updates
/// both in one pass. The module must keep its parameters, and they their device, from then on.
/// Float32. Not thread-safe.
class DenseOptimizer {
 public:
  /// `learning_rate(name)` is the learning rate of the parameter of this name. In the first
  /// `frozen_steps(name)` steps (-1: in all) it stays bit-identical, and AdamW begins behind them;
  /// empty: in none.
  DenseOptimizer(torch::nn::Module& module, const AdamWOptions& options,
                 const std::function<double(const std::string& name)>& learning_rate,
                 const std::function<int64_t(const std::string& name)>& frozen_steps = {});

  void zero_grad();

  /// Scales the gradient down to global norm `clip_norm` (0: never); returns the norm before. A
  /// norm that is not finite is returned as it is, gradient untouched.
  double clip(double clip_norm);

  /// One update with `factor` times the learning rates.
  void step(double factor);

  int64_t num_parameters() const { return values_.numel(); }

  /// Decay of the average in the last step: early on it follows the weights closely, so that the
  /// first ones leave no trace.
  double average_decay() const;

  /// Exchanges the live weights and their moving average, if there is one; calling it twice
  /// restores them.
  void swap_average();

  /// Named flat tensors that make up the state, for a checkpoint: live weights, moments, average;
  /// and the count of steps.
  std::vector<std::pair<std::string, torch::Tensor>> state() const;
  int64_t num_steps() const { return num_steps_; }
  void set_num_steps(int64_t steps) { num_steps_ = steps; }

 private:
  struct Segment {
    int64_t begin, end;
    double learning_rate;
    bool decays;
    int64_t frozen_steps;  // -1: all
  };
  bool moves(const Segment& segment) const;
  AdamWFactors factors_of(const Segment& segment, double factor) const;
  void step_on_device(double factor);

  AdamWOptions options_;
  std::vector<Segment> segments_;
  torch::Tensor values_, gradients_, first_, second_, average_;  // [num_parameters]
  int64_t num_steps_ = 0;
};

}  // namespace lemur
