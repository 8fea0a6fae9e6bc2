#include "lemur/model/bert_checkpoint.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "lemur/base/folder.h"
#include "lemur/base/safetensors.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using torch::Tensor;

/// The small model that tests/golden/make_bert_golden.py wrote.
fs::path golden() { return fs::path(LEMUR_GOLDEN) / "bert"; }

/// A tensor with bytes of its own.
struct OwnedTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

/// A copy of the golden model, to be damaged or rewritten.
struct Copy {
  Copy() {
    for (const char* name : {"config.json", "model.safetensors", "vocab.txt"})
      fs::copy(golden() / name, folder.path() / name);
    SafetensorsFile file(golden() / "model.safetensors");
    for (const auto& [name, entry] : file.entries())
      tensors[name] = {entry.dtype, entry.shape, std::string(entry.data)};
  }

  void set(const std::string& key, const json& value) const {
    json config = json::parse(read_file(folder.path() / "config.json"));
    config[key] = value;
    write_file_atomically(folder.path() / "config.json", config.dump());
  }
  void write_tensors() const {
    std::map<std::string, TensorEntry> entries;
    for (const auto& [name, tensor] : tensors)
      entries[name] = {tensor.dtype, tensor.shape, tensor.bytes};
    write_safetensors(folder.path() / "model.safetensors", entries);
  }
  /// Rewrites every tensor as another type of floating-point numbers.
  void convert(torch::ScalarType type, const std::string& dtype) {
    for (auto& [name, tensor] : tensors) {
      Tensor values = torch::empty(tensor.shape);
      std::memcpy(values.data_ptr(), tensor.bytes.data(), tensor.bytes.size());
      values = values.to(type);
      tensor.dtype = dtype;
      tensor.bytes.assign(static_cast<const char*>(values.data_ptr()), values.nbytes());
    }
    write_tensors();
  }

  TemporaryFolder folder;
  std::map<std::string, OwnedTensor> tensors;
};

BertEncoder load(const fs::path& folder, int64_t fields = 2,
                 std::vector<std::string>* unused = nullptr) {
  torch::manual_seed(3);
  BertEncoder encoder(bert_encoder_options(read_bert_sizes(folder), fields, 5, 0));
  std::vector<std::string> names = load_bert(folder, encoder);
  if (unused != nullptr) *unused = names;
  return encoder;
}

/// The golden texts, packed; and what BERT makes of them.
struct Golden {
  Tensor tokens, positions, fields, offsets, states;

  Golden() {
    const json expected = json::parse(read_file(golden() / "expected.json"));
    std::vector<int64_t> all, places, begin = {0};
    for (const json& text : expected["texts"]) {
      for (size_t i = 0; i < text.size(); ++i) {
        all.push_back(text[i].get<int64_t>());
        places.push_back(static_cast<int64_t>(i));
      }
      begin.push_back(static_cast<int64_t>(all.size()));
    }
    tokens = torch::tensor(all, torch::kInt64);
    positions = torch::tensor(places, torch::kInt64);
    fields = positions.remainder(2);
    offsets = torch::tensor(begin, torch::kInt64);
    std::vector<double> numbers;
    for (const json& row : expected["cls"])
      for (const json& value : row) numbers.push_back(value.get<double>());
    states = torch::tensor(numbers, torch::kFloat64).view({std::ssize(begin) - 1, -1});
  }

  Tensor states_of(BertEncoder& encoder) const {
    return encoder->states(tokens, positions, fields, offsets);
  }
  double error(BertEncoder& encoder) const {
    return (states_of(encoder).to(torch::kFloat64) - states).abs().max().item<double>();
  }
};

TEST(BertCheckpoint, GivesTheStatesThatWereComputedIndependently) {
  std::vector<std::string> unused;
  BertEncoder encoder = load(golden(), 2, &unused);
  EXPECT_LT(Golden().error(encoder), 1e-5);
  EXPECT_EQ(unused,
            (std::vector<std::string>{"bert.pooler.dense.bias", "bert.pooler.dense.weight"}));
}

TEST(BertCheckpoint, GivesThemMoreExactlyInFloat64) {
  BertEncoder encoder = load(golden());
  encoder->to(torch::kFloat64);
  EXPECT_LT(Golden().error(encoder), 1e-12);
}

TEST(BertCheckpoint, ReadsHalfPrecision) {
  Copy half;
  half.convert(torch::kFloat16, "F16");
  BertEncoder encoder = load(half.folder.path());
  EXPECT_LT(Golden().error(encoder), 1e-2);
  Copy brain;
  brain.convert(torch::kBFloat16, "BF16");
  encoder = load(brain.folder.path());
  EXPECT_LT(Golden().error(encoder), 1e-1);
  EXPECT_GT(Golden().error(encoder), 1e-5) << "the numbers were rounded";
}

TEST(BertCheckpoint, ReadsNamesWithoutPrefixAndOldOnes) {
  Copy copy;
  std::map<std::string, OwnedTensor> renamed;
  for (const auto& [name, tensor] : copy.tensors) {
    std::string old = name.substr(std::string("bert.").size());
    if (auto at = old.find("LayerNorm.weight"); at != std::string::npos)
      old.replace(at, std::string::npos, "LayerNorm.gamma");
    if (auto at = old.find("LayerNorm.bias"); at != std::string::npos)
      old.replace(at, std::string::npos, "LayerNorm.beta");
    renamed[old] = tensor;
  }
  copy.tensors = renamed;
  copy.write_tensors();
  BertEncoder encoder = load(copy.folder.path());
  EXPECT_LT(Golden().error(encoder), 1e-5);
}

TEST(BertCheckpoint, TakesTheFirstLayersAndNamesTheOthers) {
  BertSizes sizes = read_bert_sizes(golden());
  sizes.layers = 1;
  BertEncoder encoder(bert_encoder_options(sizes, 1, 5, 0));
  const std::vector<std::string> unused = load_bert(golden(), encoder);
  EXPECT_EQ(unused.size(), 16u + 2u);
  EXPECT_EQ(unused[0], "bert.encoder.layer.1.attention.output.LayerNorm.bias");
}

TEST(BertCheckpoint, WhatIsSavedLoadsAndGivesTheSameVectors) {
  BertEncoder encoder = load(golden());
  {
    torch::NoGradGuard no_grad;
    torch::manual_seed(4);
    for (auto& parameter : encoder->parameters())
      parameter.add_(torch::randn_like(parameter) * 0.1);
  }
  TemporaryFolder folder;
  save_bert(folder.path(), encoder);
  std::vector<std::string> unused;
  BertEncoder again = load(folder.path(), 2, &unused);
  EXPECT_TRUE(unused.empty());
  const Golden texts;
  const auto vectors = [&](BertEncoder& e) {
    return e(texts.tokens, texts.positions, texts.fields, texts.offsets);
  };
  EXPECT_LT((vectors(encoder) - vectors(again)).abs().max().item<double>(), 1e-6);
  SafetensorsFile file(folder.path() / "model.safetensors");
  EXPECT_TRUE(file.entries().contains("encoder.layer.1.attention.self.key.bias"));
}

TEST(BertCheckpoint, NamesWhatTheConfigurationAsksInVain) {
  const auto expect = [](const char* key, const json& value, const std::string& part) {
    Copy copy;
    copy.set(key, value);
    expect_error<DataError>([&] { read_bert_sizes(copy.folder.path()); }, part);
  };
  expect("hidden_act", "gelu_new", "hidden_act is \"gelu_new\"; only \"gelu\" can be read");
  expect("model_type", "roberta", "model_type is \"roberta\"; only \"bert\" can be read");
  expect("position_embedding_type", "relative_key",
         "position_embedding_type is \"relative_key\"; only \"absolute\" can be read");
  expect("is_decoder", true, "is_decoder is true");
  expect("hidden_size", "16", "hidden_size is \"16\"; expected a positive integer");
  expect("num_hidden_layers", 0, "num_hidden_layers is 0; expected a positive integer");
  expect("num_attention_heads", 3, "3 attention heads do not divide the width 16");
  expect("layer_norm_eps", 0, "layer_norm_eps is 0");
  Copy copy;
  write_file_atomically(copy.folder.path() / "config.json", "{");
  expect_error<DataError>([&] { read_bert_sizes(copy.folder.path()); }, "config.json is malformed");
  fs::remove(copy.folder.path() / "config.json");
  expect_error<DataError>([&] { read_bert_sizes(copy.folder.path()); }, "lacks config.json");
}

TEST(BertCheckpoint, NamesTheTensorThatIsMissingOrOfAnotherShapeOrType) {
  const std::string name = "bert.encoder.layer.1.output.dense.weight";
  Copy missing;
  missing.tensors.erase(name);
  missing.write_tensors();
  expect_error<DataError>([&] { load(missing.folder.path()); },
                          "lacks tensor 'encoder.layer.1.output.dense.weight'");
  Copy other;
  other.set("intermediate_size", 32);
  expect_error<DataError>([&] { load(other.folder.path()); },
                          "tensor 'encoder.layer.0.intermediate.dense.weight' is [24, 16]; by "
                          "config.json it is [32, 16]");
  Copy integers;
  integers.tensors[name].dtype = "I32";
  integers.write_tensors();
  expect_error<DataError>([&] { load(integers.folder.path()); },
                          "tensor '" + name + "' is I32; expected F32, F16 or BF16");
  Copy twice;
  twice.tensors["pooler.dense.bias"] = twice.tensors["bert.pooler.dense.bias"];
  twice.write_tensors();
  expect_error<DataError>([&] { load(twice.folder.path()); }, "holds 'pooler.dense.bias' twice");
}

TEST(BertCheckpoint, RefusesATruncatedFile) {
  Copy copy;
  const fs::path file = copy.folder.path() / "model.safetensors";
  fs::resize_file(file, fs::file_size(file) - 100);
  expect_error<DataError>([&] { load(copy.folder.path()); }, "model.safetensors");
}

}  // namespace
}  // namespace lemur
