// Layers in 8 bits, for inference.
#pragma once

#include <torch/nn/module.h>

namespace lemur {

/// Makes every Linear and TokenLinear below `module` compute with Int8Weights of its present
/// weights, until it is destroyed; no gradient passes them any more. Encoders consist of other
/// layers and stay as they are.
void use_int8(torch::nn::Module& module);

}  // namespace lemur
