#include "lemur/nn/int8_layers.h"

#include "lemur/nn/initialized_layers.h"
#include "lemur/nn/rankmixer.h"

namespace lemur {

void use_int8(torch::nn::Module& module) {
  for (const auto& part : module.modules(/*include_self=*/false)) {
    if (auto* linear = part->as<LinearImpl>())
      linear->int8 = std::make_unique<Int8Weights>(linear->weight);
    if (auto* linear = part->as<TokenLinearImpl>())
      linear->int8 = std::make_unique<Int8Weights>(linear->weight);
  }
}

}  // namespace lemur
