// Checks of a module's parameters that every test of a module makes.
#pragma once

#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "lemur/base/testing.h"
#include "lemur/kernels/gradient_check.h"

namespace lemur {

/// Turns the module to float64 and moves its parameters, zeros and ones included, off their initial
/// values, so that every gradient counts.
inline void prepare_for_check(torch::nn::Module& module) {
  torch::manual_seed(11);
  module.to(torch::kFloat64);
  torch::NoGradGuard no_grad;
  for (auto& parameter : module.parameters()) parameter.add_(torch::randn_like(parameter) * 0.1);
}

/// Expects the gradients of weighted_sum(output()) in all parameters and `inputs` to agree with
/// finite differences, and no parameter's gradient to be missing or zero throughout.
inline void expect_gradients(torch::nn::Module& module,
                             const std::function<torch::Tensor()>& output,
                             const std::vector<torch::Tensor>& inputs = {}) {
  const auto loss = [&] { return weighted_sum(output()); };
  for (const auto& entry : module.named_parameters()) {
    SCOPED_TRACE(entry.key());
    EXPECT_LT(gradient_error(loss, {entry.value()}, 24), 1e-6);
    EXPECT_GT(entry.value().grad().abs().max().item<double>(), 1e-9);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    SCOPED_TRACE("input " + std::to_string(i));
    EXPECT_LT(gradient_error(loss, {inputs[i]}, 48), 1e-6);
  }
}

}  // namespace lemur
