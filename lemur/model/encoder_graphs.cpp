#include "lemur/model/encoder_graphs.h"

#include <ATen/autocast_mode.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <torch/torch.h>

#include <list>

#include "lemur/kernels/device.h"
#include "lemur/model/launch_buckets.h"

namespace lemur {
namespace {

using torch::Tensor;
using torch::autograd::variable_list;

constexpr int64_t kMostBytes = int64_t{8} << 30;
constexpr int kWarmUps = 2;  // libraries choose and allocate in the first calls

int64_t free_bytes() {
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  return static_cast<int64_t>(free);
}

/// While it lives, autocast casts weights anew: a recording must not read a copy that was made
/// before it.
class NoCastCache {
 public:
  NoCastCache() {
    at::autocast::clear_cache();
    at::autocast::set_autocast_cache_enabled(false);
  }
  ~NoCastCache() { at::autocast::set_autocast_cache_enabled(true); }
};

/// Both passes over texts of one size, in memory of their own.
struct Recording {
  Recording(Encoder& encoder, const LaunchBucket& bucket, const Tensor& like);

  /// Copies the input to where the recorded launches read it.
  void fill(const Tensor& embedded, const Tensor& offsets);

  LaunchBucket bucket;
  Tensor x, starts, first;  // inputs
  Tensor output, given;     // and the output's gradient
  variable_list gradients;  // of x and of the encoder's parameters
  at::cuda::CUDAGraph forward, backward;
  int64_t bytes = 0;
  bool waits = false;  // for its backward pass
};

/// The parameters that the recorded half reads.
variable_list parameters_of(Encoder& encoder) {
  variable_list parameters;
  for (const auto& item : encoder->named_parameters()) {
    const std::string& name = item.key();
    if (name.starts_with("layer_") || name.starts_with("final_norm") || name.starts_with("output"))
      parameters.push_back(item.value());
  }
  return parameters;
}

Recording::Recording(Encoder& encoder, const LaunchBucket& bucket, const Tensor& like)
    : bucket(bucket) {
  const int64_t before = free_bytes(), longest = encoder->options().max_length;
  const auto integers = [&](int64_t size, torch::Dtype type) {
    return torch::zeros({size}, like.options().dtype(type).requires_grad(false));
  };
  x = torch::zeros({bucket.tokens, like.size(1)}, like.options().requires_grad(false))
          .set_requires_grad(true);
  starts = integers(bucket.texts + 1, torch::kInt32);
  first = integers(bucket.texts, torch::kInt64);
  given = torch::zeros({bucket.texts, encoder->options().output},
                       like.options().dtype(torch::kFloat32).requires_grad(false));
  fill(x.detach(), filled_offsets(torch::zeros({1}, torch::kInt64), bucket, longest));

  variable_list inputs = {x};
  for (const Tensor& parameter : parameters_of(encoder)) inputs.push_back(parameter);
  const NoCastCache no_cache;
  const DeviceTexts texts{Tensor(), starts, longest};
  const auto encode = [&] { return encoder->encode_embedded(x, texts, first).to(torch::kFloat32); };
  torch::cuda::synchronize();
  const c10::cuda::CUDAStreamGuard stream(c10::cuda::getStreamFromPool());
  for (int i = 0; i < kWarmUps; ++i) torch::autograd::grad({encode()}, inputs, {given});
  torch::cuda::synchronize();
  forward.capture_begin();
  output = encode();
  forward.capture_end();
  backward.capture_begin(forward.pool());
  gradients = torch::autograd::grad({output}, inputs, {given});
  backward.capture_end();
  torch::cuda::synchronize();
  output = output.detach();
  bytes = before - free_bytes();
}

void Recording::fill(const Tensor& embedded, const Tensor& offsets) {
  const torch::NoGradGuard no_gradient;
  x.narrow(0, 0, embedded.size(0)).copy_(embedded);
  starts.copy_(offsets.to(torch::kInt32));
  // A text without tokens at the end begins behind the last row.
  first.copy_(offsets.narrow(0, 0, bucket.texts).clamp_max(bucket.tokens - 1));
}

/// Replays a recording whose inputs are filled. Gives gradients to x and the parameters.
class Replay : public torch::autograd::Function<Replay> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        at::TensorList parameters, int64_t texts, Recording* recording) {
    context->saved_data["recording"] = reinterpret_cast<int64_t>(recording);
    context->saved_data["rows"] = x.size(0);
    context->saved_data["parameters"] = static_cast<int64_t>(parameters.size());
    recording->forward.replay();
    recording->waits = true;
    return recording->output.narrow(0, 0, texts).clone();
  }

  static variable_list backward(torch::autograd::AutogradContext* context, variable_list given) {
    auto* recording = reinterpret_cast<Recording*>(context->saved_data["recording"].toInt());
    recording->given.zero_();
    recording->given.narrow(0, 0, given[0].size(0)).copy_(given[0]);
    recording->backward.replay();
    recording->waits = false;
    variable_list result = {
        recording->gradients[0].narrow(0, 0, context->saved_data["rows"].toInt()).clone()};
    for (size_t i = 1; i < recording->gradients.size(); ++i)
      result.push_back(recording->gradients[i].clone());
    result.resize(result.size() + 2);  // of texts and recording
    return result;
  }
};

}  // namespace

struct EncoderGraphs::Impl {
  Encoder encoder;
  std::list<std::unique_ptr<Recording>> recordings = {};  // the last used first

  /// Returns the recording of the bucket, at the front of all.
  Recording& recording_of(const LaunchBucket& bucket, const Tensor& like) {
    for (auto it = recordings.begin(); it != recordings.end(); ++it)
      if ((*it)->bucket == bucket) {
        recordings.splice(recordings.begin(), recordings, it);
        return *recordings.front();
      }
    recordings.push_front(std::make_unique<Recording>(encoder, bucket, like));
    drop_the_oldest();
    return *recordings.front();
  }

  void drop_the_oldest() {
    int64_t bytes = 0;
    for (const auto& recording : recordings) bytes += recording->bytes;
    while (bytes > kMostBytes && recordings.size() > 1 && !recordings.back()->waits) {
      bytes -= recordings.back()->bytes;
      recordings.pop_back();
    }
  }
};

EncoderGraphs::EncoderGraphs(Encoder encoder)
    : impl_(std::make_unique<Impl>(Impl{std::move(encoder)})) {}

EncoderGraphs::~EncoderGraphs() = default;

std::optional<Tensor> EncoderGraphs::encode(const TokenBatch& texts) {
  Encoder& encoder = impl_->encoder;
  const EncoderOptions& options = encoder->options();
  const Tensor offsets = texts.offsets.contiguous();
  const bool has_patches = texts.patches.values.defined() && texts.patches.values.numel() > 0;
  if (!torch::GradMode::is_enabled() || texts.num_texts() == 0 || has_patches ||
      options.dropout > 0 || options.pools_words)
    return std::nullopt;
  const Tensor probe =
      torch::empty({1, 3 * options.width}, texts.tokens.options().dtype(torch::kBFloat16));
  if (!Bfloat16Scope::is_active() || !fits_flash(probe, options.heads)) return std::nullopt;
  const LaunchBucket bucket =
      bucket_of(texts.tokens.numel(), texts.num_texts(), options.max_length);
  const Tensor x = encoder->embed_packed(texts.tokens, texts.positions, texts.types);
  Recording& recording = impl_->recording_of(bucket, x.detach());
  if (recording.waits) return std::nullopt;
  recording.fill(x.detach(), filled_offsets(offsets, bucket, options.max_length));
  return Replay::apply(x, parameters_of(encoder), texts.num_texts(), &recording);
}

}  // namespace lemur
