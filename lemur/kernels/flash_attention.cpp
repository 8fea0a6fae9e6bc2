// flash_attention.h in a build with CUDA and LibTorch 2.1 or later; no_flash.cpp stands for it
// elsewhere.
#include "lemur/kernels/flash_attention.h"

#include <torch/torch.h>

#include <cmath>

namespace lemur {
namespace {

using torch::Tensor;

/// Queries (0), keys (1) or values (2), [total, heads, width].
Tensor part_of(const Tensor& qkv, int64_t heads, int64_t part) {
  return qkv.view({qkv.size(0), 3, heads, -1}).select(1, part);
}

double scale_of(const Tensor& query) { return 1 / std::sqrt(static_cast<double>(query.size(2))); }

class FlashAttention : public torch::autograd::Function<FlashAttention> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& qkv,
                        const Tensor& starts, int64_t longest, int64_t heads) {
    const Tensor query = part_of(qkv, heads, 0);
    const auto result = at::_flash_attention_forward(
        query, part_of(qkv, heads, 1), part_of(qkv, heads, 2), starts, starts, longest, longest,
        /*dropout_p=*/0.0, /*is_causal=*/false, /*return_debug_mask=*/false, scale_of(query));
    const Tensor& output = std::get<0>(result);
    // log-sum-exps, and two that say which random numbers dropout took.
    context->save_for_backward(
        {qkv, starts, output, std::get<1>(result), std::get<2>(result), std::get<3>(result)});
    context->saved_data["longest"] = longest;
    context->saved_data["heads"] = heads;
    return output.reshape({qkv.size(0), -1});
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const int64_t longest = context->saved_data["longest"].toInt(),
                  heads = context->saved_data["heads"].toInt();
    const Tensor &qkv = saved[0], &starts = saved[1], &output = saved[2];
    const Tensor query = part_of(qkv, heads, 0);
    const auto [of_query, of_keys, of_values] = at::_flash_attention_backward(
        gradients[0].to(qkv.scalar_type()).reshape(output.sizes()).contiguous(), query,
        part_of(qkv, heads, 1), part_of(qkv, heads, 2), output, saved[3], starts, starts, longest,
        longest, /*dropout_p=*/0.0, /*is_causal=*/false, saved[4], saved[5], scale_of(query));
    return {torch::stack({of_query, of_keys, of_values}, 1).view(qkv.sizes()), Tensor(), Tensor(),
            Tensor()};
  }
};

}  // namespace

bool fits_flash(const Tensor& qkv, int64_t heads) {
  const int64_t width = qkv.size(1) / (3 * heads);
  return qkv.is_cuda() && qkv.scalar_type() == torch::kBFloat16 && qkv.size(0) > 0 &&
         width % 8 == 0 && width <= 256;
}

Tensor flash_attention(const Tensor& qkv, const DeviceTexts& texts, int64_t heads) {
  return FlashAttention::apply(qkv.contiguous(), texts.starts, texts.longest, heads);
}

}  // namespace lemur
