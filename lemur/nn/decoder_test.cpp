#include "lemur/nn/decoder.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "lemur/base/error.h"
#include "lemur/nn/module_check.h"

namespace lemur {
namespace {

using torch::Tensor;

HistoryDecoderOptions small(int64_t heads, bool projected) {
  return {.input = 7,
          .width = 6,
          .layers = 2,
          .heads = heads,
          .projected = projected,
          .gaps = 5,
          .actions = 2,
          .ffn_factor = 2};
}

/// Six samples: no element, 1, 31, 32, 33, and two elements that are missing.
struct DecoderExample {
  Tensor features, elements;
  RaggedHistory history;

  DecoderExample() {
    torch::manual_seed(4);
    features = torch::randn({6, 7}, torch::kFloat64).set_requires_grad(true);
    elements = torch::randn({9, 6}, torch::kFloat64).set_requires_grad(true);
    history.offsets = torch::tensor({0, 0, 1, 32, 64, 97, 99}, torch::kInt64);
    history.document = torch::randint(-1, 9, {99}, torch::kInt64);
    history.document.slice(0, 97).fill_(-1);
    history.document[0] = 3;
    history.gap = torch::randint(0, 5, {99}, torch::kInt64);
    history.action = torch::randint(0, 2, {99}, torch::kInt64);
  }
};

TEST(HistoryDecoder, HasTheGradientOfFiniteDifferences) {
  const DecoderExample x;
  for (int64_t heads : {1, 3})
    for (bool projected : {false, true}) {
      SCOPED_TRACE(fmt::format("{} heads, projected {}", heads, projected));
      HistoryDecoder decoder(small(heads, projected));
      prepare_for_check(*decoder);
      expect_gradients(*decoder, [&] { return decoder(x.features, x.elements, x.history); },
                       {x.features, x.elements});
    }
}

/// One layer's output with every element, key and value written out.
Tensor literal_layer(HistoryDecoder& decoder, const DecoderExample& x,
                     const HistoryDecoderOptions& o) {
  const auto p = decoder->named_parameters();
  const auto linear = [&](const Tensor& v, const std::string& name) {
    return torch::linear(v, p[name + ".weight"], p[name + ".bias"]);
  };
  const auto norm = [&](const Tensor& v, const std::string& name) {
    return torch::layer_norm(v, {o.width}, p[name + ".weight"], p[name + ".bias"]);
  };
  const Tensor query = linear(x.features, "input");
  std::vector<Tensor> contexts;
  for (int64_t b = 0; b < query.size(0); ++b) {
    std::vector<Tensor> elements;
    for (int64_t m = x.history.offsets[b].item<int64_t>();
         m < x.history.offsets[b + 1].item<int64_t>(); ++m) {
      if (x.history.document[m].item<int64_t>() < 0) continue;
      elements.push_back(x.elements[x.history.document[m].item<int64_t>()] +
                         p["gap_embedding.weight"][x.history.gap[m].item<int64_t>()] +
                         p["action_embedding.weight"][x.history.action[m].item<int64_t>()]);
    }
    if (elements.empty()) {
      contexts.push_back(p["empty"]);
      continue;
    }
    Tensor keys = torch::stack(elements), values = keys;
    if (o.projected) {
      keys = torch::linear(keys, p["layer_0.key.weight"]);
      values = torch::linear(values, p["layer_0.value.weight"]);
    }
    const int64_t width = o.width / o.heads;
    std::vector<Tensor> heads;
    for (int64_t h = 0; h < o.heads; ++h) {
      const Tensor scores =
          keys.narrow(1, h * width, width).matmul(query[b].narrow(0, h * width, width)) /
          std::sqrt(static_cast<double>(width));
      heads.push_back(scores.softmax(0).matmul(values.narrow(1, h * width, width)));
    }
    contexts.push_back(torch::cat(heads));
  }
  const Tensor hidden = torch::gelu(
      linear(norm(torch::stack(contexts), "layer_0.context_norm"), "layer_0.ffn_input"));
  return norm(query + linear(hidden, "layer_0.ffn_output"), "layer_0.output_norm");
}

TEST(HistoryDecoder, EqualsAttentionOverMaterialisedElements) {
  const DecoderExample x;
  for (int64_t heads : {1, 2})
    for (bool projected : {false, true}) {
      HistoryDecoderOptions options = small(heads, projected);
      options.layers = 1;
      HistoryDecoder decoder(options);
      prepare_for_check(*decoder);
      const Tensor found = decoder(x.features, x.elements, x.history);
      EXPECT_LT((found - literal_layer(decoder, x, options)).abs().max().item<double>(), 1e-12);
    }
}

TEST(HistoryDecoder, ReadsNoDocumentsAtAll) {
  HistoryDecoder decoder(small(1, false));
  RaggedHistory none{torch::zeros({3}, torch::kInt64), torch::zeros({0}, torch::kInt64),
                     torch::zeros({0}, torch::kInt64), torch::zeros({0}, torch::kInt64)};
  const Tensor output = decoder(torch::randn({2, 7}), torch::zeros({0, 6}), none);
  EXPECT_EQ(output.sizes(), torch::IntArrayRef({2, 6}));
  EXPECT_TRUE(output.isfinite().all().item<bool>());
  output.square().sum().backward();
  EXPECT_TRUE(decoder->named_parameters()["empty"].grad().defined());
}

TEST(HistoryDecoder, NamesWhatIsWrong) {
  EXPECT_NE(message_of<InvalidArgument>([] {
              HistoryDecoder(small(4, false));
            }).find("4 heads do not divide the width 6"),
            std::string::npos);
  EXPECT_NE(
      message_of<InvalidArgument>([] { HistoryDecoder(HistoryDecoderOptions{}); }).find("input 0"),
      std::string::npos);
  HistoryDecoder decoder(small(1, false));
  decoder->to(torch::kFloat64);
  const DecoderExample x;
  EXPECT_NE(message_of<InvalidArgument>([&] {
              decoder(x.features.slice(1, 1), x.elements, x.history);
            }).find("6 x 6; expected [B, 7]"),
            std::string::npos);
  EXPECT_NE(message_of<InvalidArgument>([&] {
              decoder(x.features, x.elements.slice(1, 1), x.history);
            }).find("9 x 5; expected [U, 6]"),
            std::string::npos);
}

TEST(RaggedHistory, BucketsGapsByTheLogarithmOfSeconds) {
  EXPECT_EQ(gap_bucket(-5), 0);
  EXPECT_EQ(gap_bucket(999), 0);
  EXPECT_EQ(gap_bucket(1000), 1);
  EXPECT_EQ(gap_bucket(1999), 1);
  EXPECT_EQ(gap_bucket(2000), 2);
  EXPECT_EQ(gap_bucket(1024000), 11);
  EXPECT_LT(gap_bucket(std::numeric_limits<int64_t>::max()), kGapBuckets);
}

TEST(HistoryDecoder, SharedHistoriesGiveWhatRepeatedOnesGive) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(6);
  const Tensor features = torch::randn({5, 7}), elements = torch::randn({9, 6});
  RaggedHistory shared;  // samples 0 and 1 have none, 2 to 4 the same 33 elements
  shared.offsets = torch::tensor({0, 0, 33}, torch::kInt64);
  shared.samples = torch::tensor({0, 2, 5}, torch::kInt64);
  shared.document = torch::randint(0, 9, {33}, torch::kInt64);
  shared.gap = torch::randint(0, 5, {33}, torch::kInt64);
  shared.action = torch::randint(0, 2, {33}, torch::kInt64);
  const RaggedHistory repeated{torch::tensor({0, 0, 0, 33, 66, 99}, torch::kInt64),
                               shared.document.repeat(3),
                               shared.gap.repeat(3),
                               shared.action.repeat(3),
                               {}};
  for (int64_t heads : {1, 3})
    for (bool projected : {false, true}) {
      HistoryDecoder decoder(small(heads, projected));
      EXPECT_TRUE(torch::allclose(decoder(features, elements, shared),
                                  decoder(features, elements, repeated), 1e-5, 1e-6));
    }
}

}  // namespace
}  // namespace lemur
