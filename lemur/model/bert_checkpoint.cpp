#include "lemur/model/bert_checkpoint.h"

#include <torch/torch.h>

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/base/safetensors.h"
#include "lemur/model/tensor_file.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "config.json";
constexpr const char* kWeightsFile = "model.safetensors";
constexpr const char* kProjectionFile = "projection.safetensors";
constexpr const char* kFieldsKey = "lemur_fields";  // in config.json: rows of the type embedding
                                                    // that hold the fields' embeddings
constexpr const char* kTypeEmbedding = "embeddings.token_type_embeddings.weight";

nlohmann::json read_config(const fs::path& folder) {
  for (const char* name : {kConfigFile, kWeightsFile})
    if (!fs::exists(folder / name))
      fail<DataError>("pretrained",
                      "{} lacks {}; a pretrained folder holds config.json, model.safetensors and "
                      "vocab.txt",
                      folder.string(), name);
  try {
    nlohmann::json config = nlohmann::json::parse(read_file(folder / kConfigFile));
    if (config.is_object()) return config;
  } catch (const nlohmann::json::exception& error) {
    fail<DataError>("pretrained", "{} is malformed: {}", (folder / kConfigFile).string(),
                    error.what());
  }
  fail<DataError>("pretrained", "{} is no JSON object", (folder / kConfigFile).string());
}

/// Throws DataError unless the key, or its default where it is absent, has the expected value.
void require_value(const fs::path& folder, const nlohmann::json& config, const char* key,
                   const nlohmann::json& absent, const nlohmann::json& expected) {
  const nlohmann::json found = config.contains(key) ? config.at(key) : absent;
  if (found != expected)
    fail<DataError>("pretrained", "{}: {} is {}; only {} can be read",
                    (folder / kConfigFile).string(), key, found.dump(), expected.dump());
}

int64_t require_size(const fs::path& folder, const nlohmann::json& config, const char* key) {
  const nlohmann::json value = config.value(key, nlohmann::json());
  if (!value.is_number_integer() || value.get<int64_t>() < 1)
    fail<DataError>("pretrained", "{}: {} is {}; expected a positive integer",
                    (folder / kConfigFile).string(), key, value.dump());
  return value.get<int64_t>();
}

/// Returns the encoder's tensors by their names in a checkpoint without prefix. The parts of the
/// fused projection to queries, keys and values are views into it. Type and field embeddings and
/// the projection are not among them.
NamedTensors checkpoint_tensors(const BertEncoder& encoder) {
  const auto parameters = encoder->named_parameters();
  NamedTensors tensors;
  const auto add = [&](const std::string& ours, const std::string& theirs) {
    for (const char* part : {".weight", ".bias"})
      tensors.emplace_back(theirs + part, parameters[ours + part].detach());
  };
  tensors.emplace_back("embeddings.word_embeddings.weight",
                       encoder->word_embedding()->weight.detach());
  tensors.emplace_back("embeddings.position_embeddings.weight",
                       parameters["position_embedding.weight"].detach());
  add("embedding_norm", "embeddings.LayerNorm");
  const int64_t width = encoder->options().width;
  for (int64_t l = 0; l < encoder->options().layers; ++l) {
    const std::string ours = fmt::format("layer_{}.", l),
                      theirs = fmt::format("encoder.layer.{}.", l);
    int64_t begin = 0;
    for (const char* kind : {"query", "key", "value"}) {
      for (const char* part : {".weight", ".bias"})
        tensors.emplace_back(theirs + "attention.self." + kind + part,
                             parameters[ours + "qkv" + part].detach().narrow(0, begin, width));
      begin += width;
    }
    add(ours + "attention_output", theirs + "attention.output.dense");
    add(ours + "attention_norm", theirs + "attention.output.LayerNorm");
    add(ours + "ffn_input", theirs + "intermediate.dense");
    add(ours + "ffn_output", theirs + "output.dense");
    add(ours + "ffn_norm", theirs + "output.LayerNorm");
  }
  return tensors;
}

/// Returns a tensor's name as today's checkpoints without prefix have it.
std::string canonical_name(std::string name) {
  if (name.starts_with("bert.")) name.erase(0, 5);
  for (const auto& [old, current] : {std::pair("LayerNorm.gamma", "LayerNorm.weight"),
                                     std::pair("LayerNorm.beta", "LayerNorm.bias")})
    if (name.ends_with(old))
      name.replace(name.size() - std::strlen(old), std::string::npos, current);
  return name;
}

/// The tensors of a checkpoint by their canonical names; remembers which were taken.
class WeightsReader {
 public:
  explicit WeightsReader(const fs::path& path) : path_(path.string()), file_(path) {
    for (const auto& [name, entry] : file_.entries())
      if (!entries_.emplace(canonical_name(name), std::pair(name, &entry)).second)
        fail<DataError>("pretrained",
                        "{} holds '{}' twice, with and without the prefix 'bert.' or under "
                        "an old name",
                        path_, canonical_name(name));
  }

  /// Returns the tensor as float32, whatever its shape.
  torch::Tensor take(const std::string& name) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) fail<DataError>("pretrained", "{} lacks tensor '{}'", path_, name);
    taken_.insert(name);
    const TensorEntry& entry = *found->second.second;
    static const std::map<std::string, torch::ScalarType> kTypes = {
        {"F32", torch::kFloat32}, {"F16", torch::kFloat16}, {"BF16", torch::kBFloat16}};
    const auto type = kTypes.find(entry.dtype);
    if (type == kTypes.end())
      fail<DataError>("pretrained", "{}: tensor '{}' is {}; expected F32, F16 or BF16", path_,
                      found->second.first, entry.dtype);
    torch::Tensor raw = torch::empty(entry.shape, type->second);
    std::memcpy(raw.data_ptr(), entry.data.data(), entry.data.size());
    return raw.to(torch::kFloat32);
  }

  /// Copies the tensor into `target`, which it must fit.
  void copy_to(const std::string& name, torch::Tensor target) {
    const torch::Tensor value = take(name);
    if (value.sizes() != target.sizes())
      fail<DataError>("pretrained", "{}: tensor '{}' is [{}]; by config.json it is [{}]", path_,
                      name, fmt::join(value.sizes(), ", "), fmt::join(target.sizes(), ", "));
    target.copy_(value);
  }

  /// Returns the names, as they are in the file, of what was never taken.
  std::vector<std::string> unused() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_)
      if (!taken_.contains(name)) names.push_back(entry.first);
    return names;
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  SafetensorsFile file_;
  std::map<std::string, std::pair<std::string, const TensorEntry*>> entries_;
  std::set<std::string> taken_;
};

/// Fills type and field embeddings; `rows_are_fields` says that save_bert wrote them.
void load_types(WeightsReader& reader, bool rows_are_fields, BertEncoder& encoder) {
  const auto parameters = encoder->named_parameters();
  const torch::Tensor types = reader.take(kTypeEmbedding);
  if (types.dim() != 2 || types.size(0) < 1 || types.size(1) != encoder->options().width)
    fail<DataError>("pretrained", "{}: tensor '{}' is [{}]; expected [1 or more, {}]",
                    reader.path(), kTypeEmbedding, fmt::join(types.sizes(), ", "),
                    encoder->options().width);
  torch::Tensor fields = parameters["field_embedding.weight"].detach();
  const torch::Tensor first = types.narrow(0, 0, 1);
  parameters["type_embedding.weight"].detach().copy_(first);
  if (rows_are_fields && types.sizes() == fields.sizes())
    fields.copy_(types - first);
  else
    fields.zero_();
}

/// Restores the projection that save_bert wrote, where there is one of the same shape.
void load_projection(const fs::path& path, BertEncoder& encoder) {
  if (!fs::exists(path)) return;
  WeightsReader reader(path);
  const auto parameters = encoder->named_parameters();
  const torch::Tensor weight = reader.take("weight");
  if (weight.sizes() != parameters["output.weight"].sizes()) return;
  reader.copy_to("weight", parameters["output.weight"].detach());
  reader.copy_to("bias", parameters["output.bias"].detach());
}

nlohmann::ordered_json config_of(const BertEncoderOptions& options) {
  return {{"architectures", {"BertModel"}},         {"model_type", "bert"},
          {"vocab_size", options.vocabulary},       {"hidden_size", options.width},
          {"num_hidden_layers", options.layers},    {"num_attention_heads", options.heads},
          {"intermediate_size", options.ffn},       {"max_position_embeddings", options.max_length},
          {"type_vocab_size", options.fields},      {kFieldsKey, options.fields},
          {"layer_norm_eps", options.norm_epsilon}, {"hidden_act", "gelu"},
          {"position_embedding_type", "absolute"},  {"hidden_dropout_prob", options.dropout},
          {"attention_probs_dropout_prob", 0.0},    {"torch_dtype", "float32"}};
}

}  // namespace

BertSizes read_bert_sizes(const fs::path& folder) {
  const nlohmann::json config = read_config(folder);
  require_value(folder, config, "model_type", {}, "bert");
  require_value(folder, config, "hidden_act", {}, "gelu");
  require_value(folder, config, "position_embedding_type", "absolute", "absolute");
  require_value(folder, config, "is_decoder", false, false);
  BertSizes sizes;
  sizes.vocabulary = require_size(folder, config, "vocab_size");
  sizes.width = require_size(folder, config, "hidden_size");
  sizes.layers = require_size(folder, config, "num_hidden_layers");
  sizes.heads = require_size(folder, config, "num_attention_heads");
  sizes.ffn = require_size(folder, config, "intermediate_size");
  sizes.max_length = require_size(folder, config, "max_position_embeddings");
  const nlohmann::json epsilon = config.value("layer_norm_eps", nlohmann::json(1e-12));
  if (!epsilon.is_number() || !(epsilon.get<double>() > 0) || epsilon.get<double>() > 1)
    fail<DataError>("pretrained", "{}: layer_norm_eps is {}; expected above 0, at most 1",
                    (folder / kConfigFile).string(), epsilon.dump());
  sizes.norm_epsilon = epsilon.get<double>();
  if (sizes.width % sizes.heads != 0)
    fail<DataError>("pretrained", "{}: {} attention heads do not divide the width {}",
                    (folder / kConfigFile).string(), sizes.heads, sizes.width);
  return sizes;
}

BertEncoderOptions bert_encoder_options(const BertSizes& sizes, int64_t fields, int64_t output,
                                        double dropout) {
  return {.vocabulary = sizes.vocabulary,
          .width = sizes.width,
          .layers = sizes.layers,
          .heads = sizes.heads,
          .ffn = sizes.ffn,
          .max_length = sizes.max_length,
          .fields = fields,
          .output = output,
          .norm_epsilon = sizes.norm_epsilon,
          .dropout = dropout};
}

std::vector<std::string> load_bert(const fs::path& folder, BertEncoder& encoder) {
  torch::NoGradGuard no_grad;
  const nlohmann::json config = read_config(folder);
  WeightsReader reader(folder / kWeightsFile);
  for (const auto& [name, target] : checkpoint_tensors(encoder)) reader.copy_to(name, target);
  load_types(reader, config.contains(kFieldsKey), encoder);
  load_projection(folder / kProjectionFile, encoder);
  return reader.unused();
}

void save_bert(const fs::path& folder, const BertEncoder& encoder) {
  torch::NoGradGuard no_grad;
  const auto parameters = encoder->named_parameters();
  NamedTensors tensors = checkpoint_tensors(encoder);
  tensors.emplace_back(kTypeEmbedding, parameters["type_embedding.weight"].detach() +
                                           parameters["field_embedding.weight"].detach());
  save_tensors(folder / kWeightsFile, tensors);
  save_tensors(folder / kProjectionFile,
               {{"weight", parameters["output.weight"]}, {"bias", parameters["output.bias"]}});
  write_file_atomically(folder / kConfigFile, config_of(encoder->options()).dump(1) + "\n");
}

}  // namespace lemur
