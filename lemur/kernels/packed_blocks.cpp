#include "lemur/kernels/packed_blocks.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/kernels/packed_blocks_cpu.h"
#include "lemur/kernels/row_check.h"
#include "lemur/simd/flops.h"
#include "lemur/simd/scratch.h"

namespace lemur {
namespace {

constexpr int64_t kChunkRows = 256;  // aimed at; a longer text is a chunk of its own
// Sums over chunks are gathered in so many places, in the chunks' order, then added up.
constexpr int64_t kAccumulators = 8;

struct Part {
  std::vector<int64_t> starts;  // of its texts, from 0, and the end
  int64_t first_text, first_row;

  Chunk chunk() const { return {starts}; }
};

std::vector<Part> cut(const torch::Tensor& offsets) {
  const int64_t* begin = offsets.data_ptr<int64_t>();
  const int64_t texts = offsets.numel() - 1;
  std::vector<Part> parts;
  for (int64_t i = 0; i < texts; ++i) {
    if (parts.empty() || begin[i + 1] - parts.back().first_row > kChunkRows)
      parts.push_back({{0}, i, begin[i]});
    parts.back().starts.push_back(begin[i + 1] - parts.back().first_row);
  }
  return parts;
}

BlockShape shape_of(const torch::Tensor& x, at::TensorList parameters, int64_t heads) {
  return {x.size(1), parameters[kFfnInputWeight].size(0), heads};
}

void check(const torch::Tensor& x, at::TensorList parameters, int64_t heads) {
  if (x.dim() != 2 || !fits_loops(x))
    fail<InvalidArgument>("packed_blocks", "x must be float or double [total, d] on the CPU");
  const auto count = static_cast<int64_t>(parameters.size());
  if (count == 0 || count % kNumBlockParameters != 0)
    fail<InvalidArgument>("packed_blocks", "{} parameters; expected {} for each block", count,
                          static_cast<int64_t>(kNumBlockParameters));
  const int64_t d = x.size(1);
  if (heads < 1 || d < 1 || d % heads != 0)
    fail<InvalidArgument>("packed_blocks", "{} heads do not divide the width {}", heads, d);
  const int64_t hidden = parameters[kFfnInputWeight].size(0);
  const std::array<std::vector<int64_t>, kNumBlockParameters> shapes = {{{d},
                                                                         {d},
                                                                         {3 * d, d},
                                                                         {3 * d},
                                                                         {d, d},
                                                                         {d},
                                                                         {d},
                                                                         {d},
                                                                         {hidden, d},
                                                                         {hidden},
                                                                         {d, hidden},
                                                                         {d}}};
  for (int64_t i = 0; i < count; ++i) {
    const auto& wanted = shapes[static_cast<size_t>(i % kNumBlockParameters)];
    const torch::Tensor& parameter = parameters[static_cast<size_t>(i)];
    if (parameter.sizes() != torch::IntArrayRef(wanted) || !parameter.is_cpu() ||
        parameter.scalar_type() != x.scalar_type())
      fail<InvalidArgument>("packed_blocks", "parameter {} is [{}]; expected [{}] of x's type", i,
                            fmt::join(parameter.sizes(), ", "), fmt::join(wanted, ", "));
  }
}

/// What forward keeps for backward: tensors whose rows are those of the texts, or, in a narrow
/// block, one for each text.
struct Kept {
  torch::Tensor qkv, attended, middle, hidden;
};

enum class Keep { kNothing, kInputs, kAll };

template <typename T>
BlockPointers<const T> pointers_of(at::TensorList parameters, int64_t block) {
  BlockPointers<const T> pointers;
  for (size_t i = 0; i < kNumBlockParameters; ++i)
    pointers[i] =
        parameters[static_cast<size_t>(block) * kNumBlockParameters + i].template data_ptr<T>();
  return pointers;
}

int64_t states_size(const BlockShape& shape) { return 5 * shape.d + shape.hidden; }

/// The states of a block in scratch.
template <typename T>
BlockStates<T> states_in(T* scratch, int64_t rows, int64_t d) {
  return {scratch, scratch + 3 * rows * d, scratch + 4 * rows * d, scratch + 5 * rows * d};
}

/// The states of a block in what is kept.
template <typename T>
BlockStates<T> states_in(const Kept& kept, const Part& part, bool last, const BlockShape& shape) {
  const int64_t row = last ? part.first_text : part.first_row, d = shape.d;
  return {kept.qkv.data_ptr<T>() + part.first_row * 3 * d, kept.attended.data_ptr<T>() + row * d,
          kept.middle.data_ptr<T>() + row * d, kept.hidden.data_ptr<T>() + row * shape.hidden};
}

/// The blocks over one batch of texts.
class Blocks {
 public:
  Blocks(const torch::Tensor& x, const torch::Tensor& offsets, at::TensorList parameters,
         int64_t heads, bool all_rows)
      : x_(x),
        parameters_(parameters),
        parts_(cut(offsets)),
        shape_(shape_of(x, parameters, heads)),
        count_(static_cast<int64_t>(parameters.size()) / kNumBlockParameters),
        texts_(offsets.numel() - 1),
        all_rows_(all_rows) {}

  /// Makes room for what is kept.
  void keep(Keep what) {
    const int64_t rows = x_.size(0), d = shape_.d;
    auto room = [&](int64_t count, int64_t width) {
      return torch::empty({count, width}, x_.options());
    };
    for (int64_t block = 0; what != Keep::kNothing && block + 1 < count_; ++block)
      inputs_.push_back(room(rows, d));
    for (int64_t block = 0; what == Keep::kAll && block < count_; ++block) {
      const int64_t queries = is_narrow(block) ? texts_ : rows;
      kept_.push_back(
          {room(rows, 3 * d), room(queries, d), room(queries, d), room(queries, shape_.hidden)});
    }
  }

  torch::autograd::variable_list kept() const {
    torch::autograd::variable_list all = inputs_;
    for (const Kept& kept : kept_)
      all.insert(all.end(), {kept.qkv, kept.attended, kept.middle, kept.hidden});
    return all;
  }

  /// Takes back what kept() gave.
  void restore(at::TensorList all) {
    auto next = all.begin();
    for (int64_t block = 0; block + 1 < count_; ++block) inputs_.push_back(*next++);
    for (; next != all.end(); next += 4) kept_.push_back({next[0], next[1], next[2], next[3]});
  }

  template <typename T>
  torch::Tensor forward() {
    turn();
    torch::Tensor result = torch::empty({all_rows_ ? x_.size(0) : texts_, shape_.d}, x_.options());
    at::parallel_for(0, std::ssize(parts_), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        forward_part<T>(parts_[static_cast<size_t>(i)], result.data_ptr<T>());
    });
    return result;
  }

  /// Returns the gradients of x and of the parameters.
  template <typename T>
  torch::autograd::variable_list backward(const torch::Tensor& grad_output) {
    if (kept_.empty()) turn();
    int64_t size = 0;
    for (const torch::Tensor& parameter : parameters_) size += parameter.numel();
    const int64_t groups = std::min<int64_t>(kAccumulators, std::ssize(parts_));
    torch::Tensor sums = torch::zeros({groups, size}, x_.options());
    torch::Tensor grad_x = torch::empty_like(x_);
    at::parallel_for(0, groups, 1, [&](int64_t begin, int64_t end) {
      for (int64_t group = begin; group < end; ++group)
        for (int64_t i = group; i < std::ssize(parts_); i += groups)
          backward_part<T>(parts_[static_cast<size_t>(i)], grad_output.data_ptr<T>(),
                           grad_x.data_ptr<T>(), sums.data_ptr<T>() + group * size);
    });
    torch::autograd::variable_list gradients = {grad_x};
    const torch::Tensor sum = groups == 1 ? sums[0] : sums.sum(0);
    int64_t next = 0;
    for (const torch::Tensor& parameter : parameters_) {
      gradients.push_back(sum.narrow(0, next, parameter.numel()).view(parameter.sizes()));
      next += parameter.numel();
    }
    return gradients;
  }

 private:
  /// Transposes the matrices, as forward_block reads them.
  void turn() {
    for (const torch::Tensor& parameter : parameters_)
      turned_.push_back(parameter.dim() == 2 ? parameter.t().contiguous() : parameter);
  }

  bool is_last(int64_t block) const { return block + 1 == count_; }
  /// Whether the block computes its texts' first rows alone behind its attention.
  bool is_narrow(int64_t block) const { return is_last(block) && !all_rows_; }
  /// Where a part begins in what the last block returns.
  int64_t result_row(const Part& part) const {
    return all_rows_ ? part.first_row : part.first_text;
  }

  template <typename T>
  const T* input_of(int64_t block, const Part& part) const {
    const torch::Tensor& input = block == 0 ? x_ : inputs_[static_cast<size_t>(block) - 1];
    return input.data_ptr<T>() + part.first_row * shape_.d;
  }

  template <typename T>
  void forward_part(const Part& part, T* result) const {
    const Chunk chunk = part.chunk();
    const int64_t rows = chunk.rows(), d = shape_.d;
    T* scratch =
        thread_buffer<T, Blocks>(rows * (2 * d + states_size(shape_) + forward_scratch(shape_)));
    T *turns = scratch, *states = turns + 2 * rows * d, *rest = states + rows * states_size(shape_);
    const T* x = x_.data_ptr<T>() + part.first_row * d;
    for (int64_t block = 0; block < count_; ++block) {
      const bool narrow = is_narrow(block);
      T* output = result + result_row(part) * d;
      if (!is_last(block))
        output = inputs_.empty()
                     ? turns + (block % 2) * rows * d
                     : inputs_[static_cast<size_t>(block)].data_ptr<T>() + part.first_row * d;
      forward_block(chunk, shape_, narrow, pointers_of<T>(turned_, block), x,
                    kept_.empty()
                        ? states_in(states, rows, d)
                        : states_in<T>(kept_[static_cast<size_t>(block)], part, narrow, shape_),
                    rest, output);
      x = output;
    }
  }

  template <typename T>
  void backward_part(const Part& part, const T* grad_output, T* grad_x, T* sums) const {
    const Chunk chunk = part.chunk();
    const int64_t rows = chunk.rows(), d = shape_.d;
    const int64_t rest_size = std::max(forward_scratch(shape_), backward_scratch(shape_));
    T* scratch = thread_buffer<T, Blocks>(rows * (3 * d + states_size(shape_) + rest_size));
    T *turns = scratch, *output = turns + 2 * rows * d, *states = output + rows * d,
      *rest = states + rows * states_size(shape_);
    const T* gradient = grad_output + result_row(part) * d;
    for (int64_t block = count_ - 1; block >= 0; --block) {
      const bool narrow = is_narrow(block);
      const T* x = input_of<T>(block, part);
      const BlockPointers<const T> parameters = pointers_of<T>(parameters_, block);
      BlockStates<T> of_block;
      if (kept_.empty()) {
        of_block = states_in(states, rows, d);
        forward_block(chunk, shape_, narrow, pointers_of<T>(turned_, block), x, of_block, rest,
                      output);
      } else {
        of_block = states_in<T>(kept_[static_cast<size_t>(block)], part, narrow, shape_);
      }
      T* to = block == 0 ? grad_x + part.first_row * d : turns + (block % 2) * rows * d;
      backward_block(chunk, shape_, narrow, parameters, x, of_block, gradient, rest, to,
                     gradients_in(sums, block));
      gradient = to;
    }
  }

  /// Where the gradients of a block's parameters lie.
  template <typename T>
  BlockPointers<T> gradients_in(T* sums, int64_t block) const {
    BlockPointers<T> pointers;
    const int64_t first = block * kNumBlockParameters;
    for (int64_t i = 0; i < first + kNumBlockParameters; ++i) {
      if (i >= first) pointers[static_cast<size_t>(i - first)] = sums;
      sums += parameters_[static_cast<size_t>(i)].numel();
    }
    return pointers;
  }

  const torch::Tensor x_;
  const at::TensorList parameters_;
  const std::vector<Part> parts_;
  const BlockShape shape_;
  const int64_t count_, texts_;
  const bool all_rows_;
  std::vector<torch::Tensor> turned_;  // the parameters, matrices transposed
  std::vector<torch::Tensor> inputs_;  // of all blocks but the first
  std::vector<Kept> kept_;
};

template <typename Body>
auto for_type(const torch::Tensor& x, const Body& body) {
  return x.scalar_type() == torch::kFloat32 ? body(float()) : body(double());
}

class PackedBlocks : public torch::autograd::Function<PackedBlocks> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& offsets, at::TensorList parameters,
                               int64_t heads, bool all_rows, int64_t keep) {
    Blocks blocks(x, offsets, parameters, heads, all_rows);
    blocks.keep(static_cast<Keep>(keep));
    torch::autograd::variable_list saved = {x, offsets};
    saved.insert(saved.end(), parameters.begin(), parameters.end());
    const torch::autograd::variable_list kept = blocks.kept();
    saved.insert(saved.end(), kept.begin(), kept.end());
    context->save_for_backward(saved);
    context->saved_data["heads"] = heads;
    context->saved_data["all_rows"] = all_rows;
    context->saved_data["parameters"] = static_cast<int64_t>(parameters.size());
    return for_type(x, [&](auto type) { return blocks.forward<decltype(type)>(); });
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const FlopScope counted(FlopPart::kEncoders);
    const auto saved = context->get_saved_variables();
    const auto count = static_cast<size_t>(context->saved_data["parameters"].toInt());
    const at::TensorList all(saved);
    const torch::Tensor gradient = gradients[0].contiguous();
    Blocks blocks(saved[0], saved[1], all.slice(2, count), context->saved_data["heads"].toInt(),
                  context->saved_data["all_rows"].toBool());
    blocks.restore(all.slice(2 + count));
    torch::autograd::variable_list result =
        for_type(gradient, [&](auto type) { return blocks.backward<decltype(type)>(gradient); });
    result.insert(result.begin() + 1, torch::Tensor());  // of the offsets
    result.resize(result.size() + 3);                    // of heads, all_rows and keep
    return result;
  }
};

}  // namespace

torch::Tensor packed_blocks(const torch::Tensor& x, const torch::Tensor& offsets,
                            at::TensorList parameters, const PackedBlocksOptions& options) {
  check(x, parameters, options.heads);
  const torch::Tensor starts = checked_full_offsets("packed_blocks", offsets, x.size(0));
  bool learns = x.requires_grad();
  std::vector<torch::Tensor> contiguous;
  for (const torch::Tensor& parameter : parameters) {
    learns = learns || parameter.requires_grad();
    contiguous.push_back(parameter.contiguous());
  }
  Keep keep = options.recompute ? Keep::kInputs : Keep::kAll;
  if (!learns || !torch::GradMode::is_enabled()) keep = Keep::kNothing;
  return PackedBlocks::apply(x.contiguous(), starts, at::TensorList(contiguous), options.heads,
                             options.all_rows, static_cast<int64_t>(keep));
}

}  // namespace lemur
