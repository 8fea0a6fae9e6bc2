#include "lemur/model/model_export.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "lemur/base/error.h"
#include "lemur/data/database.h"
#include "lemur/model/bert_checkpoint.h"
#include "lemur/model/document_bank.h"
#include "lemur/model/tensor_file.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRowsAtOnce = 4096;

/// Writes lemur's own encoder; its sizes are those of its parameters.
void save_own(const fs::path& folder, const Encoder& encoder, int64_t heads) {
  const auto parameters = encoder->named_parameters();
  NamedTensors tensors;
  for (const auto& item : parameters) tensors.emplace_back(item.key(), item.value());
  const torch::Tensor words = encoder->word_embedding()->weight;
  if (!parameters.contains("word_embedding.weight"))
    tensors.emplace_back("word_embedding.weight", words);
  save_tensors(folder / "model.safetensors", tensors);
  int64_t layers = 0;
  while (parameters.contains(fmt::format("layer_{}.qkv.weight", layers))) ++layers;
  nlohmann::ordered_json config = {
      {"model_type", "lemur-pre-ln"},
      {"vocab_size", words.size(0)},
      {"hidden_size", words.size(1)},
      {"num_hidden_layers", layers},
      {"num_attention_heads", heads},
      {"intermediate_size", parameters["layer_0.ffn_input.weight"].size(0)},
      {"max_position_embeddings", parameters["position_embedding.weight"].size(0)},
      {"type_vocab_size", parameters["type_embedding.weight"].size(0)},
      {"representation_size", parameters["output.weight"].size(0)},
      {"word_embedding_factor", std::sqrt(static_cast<double>(words.size(1)))},
      {"layer_norm_eps", torch::nn::LayerNormOptions({1}).eps()},
      {"hidden_act", "gelu"}};
  if (parameters.contains("patch_input.weight")) {
    const torch::Tensor input = parameters["patch_input.weight"],  // [width, 3 p^2]
        output = parameters["patch_output.weight"];                // [width, width (P / p)^2]
    auto side = [](int64_t pixels) { return std::llround(std::sqrt(pixels)); };
    config["patch_part_size"] = side(input.size(1) / 3);
    config["patch_size"] = side(input.size(1) / 3 * output.size(1) / input.size(0));
  }
  write_file_atomically(folder / "config.json", config.dump(1) + "\n");
}

/// Writes numpy's format of float32 matrices, row by row.
class NumpyFile {
 public:
  NumpyFile(const fs::path& path, int64_t rows, int64_t width)
      : path_(path.string()), out_(path, std::ios::binary) {
    constexpr size_t kFixed = 10, kAlignment = 64;  // magic, version, size of the header
    std::string header =
        fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, width);
    const size_t end = (kFixed + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
    header.resize(end - kFixed - 1, ' ');
    header += '\n';
    const char size[] = {static_cast<char>(header.size() & 0xff),
                         static_cast<char>(header.size() >> 8)};
    out_.write("\x93NUMPY\x01\x00", 8).write(size, 2) << header;
  }
  void append(std::span<const float> row) {
    errno = 0;
    out_.write(reinterpret_cast<const char*>(row.data()),
               static_cast<std::streamsize>(row.size_bytes()));
    if (!out_) fail_write(path_);
  }
  void finish() {
    errno = 0;
    out_.close();
    if (!out_) fail_write(path_);
  }

 private:
  std::string path_;
  std::ofstream out_;
};

/// Returns the store's documents that the bank holds, in order.
std::vector<uint32_t> documents_of(const DocumentBank& bank, const SampleStore& store) {
  std::vector<uint32_t> documents;
  for (uint32_t d = 0; d < store.schema().num_documents; ++d)
    if (bank.contains(d)) documents.push_back(d);
  return documents;
}

void check_id(std::string_view id) {
  if (id.find('\n') != std::string_view::npos)
    fail<DataError>("export", "the ID '{}' holds a line break, which ids.txt cannot", id);
}

}  // namespace

std::vector<std::string> export_encoders(const ModelState& state, const fs::path& vocabulary,
                                         const FolderWriter& folder) {
  std::vector<std::string> written;
  const auto write = [&](const char* name, const Encoder& own, const BertEncoder& bert) {
    if (own.is_empty() && bert.is_empty()) return;
    const fs::path path = folder.file(name);
    fs::create_directory(path);
    if (bert.is_empty())
      save_own(path, own, state.options.model.encoder_heads);
    else
      save_bert(path, bert);
    write_file_atomically(path / "vocab.txt", read_file(vocabulary));
    written.emplace_back(name);
  };
  const RankingModel& model = state.model;
  write("document_encoder", model->document_encoder(), model->document_bert());
  write("query_encoder", model->query_encoder(), model->query_bert());
  return written;
}

ExportedBank export_bank(MemoryBank& bank, const SampleStore& store, const FolderWriter& folder) {
  const DocumentBank stored(store, bank);
  const std::vector<uint32_t> documents = documents_of(stored, store);
  const auto width = static_cast<size_t>(bank.width());
  NumpyFile vectors(folder.file("vectors.npy"), std::ssize(documents), bank.width());
  ParquetWriter table(folder.file("documents.parquet"),
                      {{"id", ColumnType::kText}, {"vector", ColumnType::kFloatList}});
  std::string ids;
  for (size_t begin = 0; begin < documents.size(); begin += kRowsAtOnce) {
    const auto some =
        std::span(documents).subspan(begin, std::min(kRowsAtOnce, documents.size() - begin));
    const torch::Tensor values = stored.gather(some);
    for (size_t i = 0; i < some.size(); ++i) {
      const std::span<const float> row(values.data_ptr<float>() + i * width, width);
      const std::string_view id = store.document_id(some[i]);
      check_id(id);
      ids.append(id) += '\n';
      vectors.append(row);
      table.append(id);
      table.append(row);
      table.end_row();
    }
  }
  vectors.finish();
  table.finish();
  write_file_atomically(folder.file("ids.txt"), ids);
  return {
      .written = std::ssize(documents),
      .not_in_store = bank.size() - std::ssize(documents),
      .not_in_bank = static_cast<int64_t>(store.schema().num_documents) - std::ssize(documents)};
}

}  // namespace lemur
