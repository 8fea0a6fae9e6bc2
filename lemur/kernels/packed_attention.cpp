#include "lemur/kernels/packed_attention.h"

#include <torch/torch.h>

#include <cmath>

#include "lemur/base/error.h"
#include "lemur/kernels/flash_attention.h"
#include "lemur/kernels/packed_attention_cpu.h"
#include "lemur/kernels/row_check.h"

namespace lemur {
namespace {

/// Checks the arguments; returns the offsets, contiguous on the CPU.
torch::Tensor check(const torch::Tensor& qkv, const torch::Tensor& offsets, int64_t heads) {
  if (qkv.dim() != 2 || heads < 1 || qkv.size(1) == 0 || qkv.size(1) % (3 * heads) != 0)
    fail<InvalidArgument>("packed_attention",
                          "qkv has shape {}; expected [total, 3 * d] with d cut by {} heads",
                          fmt::join(qkv.sizes(), " x "), heads);
  return checked_offsets("packed_attention", offsets, qkv.size(0));
}

class PackedAttention : public torch::autograd::Function<PackedAttention> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& qkv,
                               const torch::Tensor& offsets, int64_t heads) {
    torch::Tensor input = qkv.contiguous();
    torch::Tensor output = torch::empty({input.size(0), input.size(1) / 3}, input.options());
    packed_attention_forward_cpu(input, offsets, heads, output);
    context->save_for_backward({input, offsets});
    context->saved_data["heads"] = heads;
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    torch::Tensor result = torch::empty_like(saved[0]);
    packed_attention_backward_cpu(saved[0], saved[1], context->saved_data["heads"].toInt(),
                                  gradients[0].contiguous(), result);
    return {result, torch::Tensor(), torch::Tensor()};
  }
};

}  // namespace

torch::Tensor packed_attention(const torch::Tensor& qkv, const torch::Tensor& offsets,
                               int64_t heads) {
  if (qkv.is_cuda() && fits_flash(qkv, heads))
    return flash_attention(qkv, texts_on_device(check(qkv, offsets, heads), qkv.device()), heads);
  if (!fits_loops(qkv)) return packed_attention_reference(qkv, offsets, heads);
  return PackedAttention::apply(qkv, check(qkv, offsets, heads), heads);
}

torch::Tensor packed_attention(const torch::Tensor& qkv, const DeviceTexts& texts, int64_t heads) {
  if (fits_flash(qkv, heads)) return flash_attention(qkv, texts, heads);
  return packed_attention(qkv, texts.offsets, heads);
}

DeviceTexts texts_on_device(const torch::Tensor& offsets, torch::Device device) {
  const int64_t longest = offsets.numel() > 1 ? offsets.diff().max().item<int64_t>() : 0;
  return {offsets, offsets.to(torch::kInt32).to(device), longest};
}

torch::Tensor packed_attention_reference(const torch::Tensor& qkv, const torch::Tensor& offsets,
                                         int64_t heads) {
  const torch::Tensor checked = check(qkv, offsets, heads);
  const int64_t* begin = checked.data_ptr<int64_t>();
  const int64_t d = qkv.size(1) / 3;
  std::vector<torch::Tensor> outputs = {qkv.narrow(0, 0, 0).narrow(1, 0, d)};
  for (int64_t i = 0; i + 1 < checked.numel(); ++i) {
    const int64_t length = begin[i + 1] - begin[i];
    // [3, heads, length, d / heads]
    torch::Tensor parts = qkv.narrow(0, begin[i], length)
                              .reshape({length, 3, heads, d / heads})
                              .permute({1, 2, 0, 3});
    torch::Tensor scores = torch::matmul(parts[0], parts[1].transpose(1, 2)) *
                           (1 / std::sqrt(static_cast<double>(d / heads)));
    torch::Tensor attended = torch::matmul(scores.softmax(-1), parts[2]);
    outputs.push_back(attended.transpose(0, 1).reshape({length, d}));
  }
  return torch::cat(outputs, 0);
}

}  // namespace lemur
