#include "lemur/model/pretrained.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/model/bert_checkpoint.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

/// One of the two encoders, as the configuration names and limits it.
struct Start {
  const char* key;         // of the folder
  const char* layers_key;  // of the number of layers
  std::string folder;      // as configured
  fs::path path;           // where it is
  int64_t layers;          // 0: all
  int64_t longest;         // tokens of the longest text
};

std::vector<std::string> read_lines(const fs::path& path) {
  std::istringstream text(read_file(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

/// Throws InvalidArgument, naming the first difference, unless both files hold the same pieces.
void check_vocabulary(const fs::path& of_store, const fs::path& of_checkpoint) {
  const std::vector<std::string> store = read_lines(of_store),
                                 checkpoint = read_lines(of_checkpoint);
  const size_t shared = std::min(store.size(), checkpoint.size());
  const auto advice = fmt::format("ingest with tokenizer.vocab = \"{}\"", of_checkpoint.string());
  for (size_t i = 0; i < shared; ++i)
    if (store[i] != checkpoint[i])
      fail<InvalidArgument>("pretrained",
                            "piece {} is '{}' in the store's vocabulary and '{}' in {}: {}", i,
                            store[i], checkpoint[i], of_checkpoint.string(), advice);
  if (store.size() != checkpoint.size())
    fail<InvalidArgument>("pretrained", "the store's vocabulary has {} pieces, {} has {}: {}",
                          store.size(), of_checkpoint.string(), checkpoint.size(), advice);
}

/// Throws InvalidArgument where the checkpoint's tokenizer keeps or lowers case otherwise.
void check_case(const fs::path& folder, bool lower_case) {
  if (!fs::exists(folder / "tokenizer_config.json")) return;
  const auto config =
      nlohmann::json::parse(read_file(folder / "tokenizer_config.json"), nullptr, false);
  if (!config.is_object() || !config.contains("do_lower_case") ||
      config["do_lower_case"] == nlohmann::json(lower_case))
    return;
  fail<InvalidArgument>("pretrained",
                        "tokenizer.lower_case = {}, but the tokenizer_config.json of {} has "
                        "do_lower_case = {}",
                        lower_case, folder.string(), config["do_lower_case"].dump());
}

/// Returns the sizes that the encoder takes.
BertSizes adopt(const Start& start, const TokenizerOptions& tokenizer, const SampleStore& store) {
  BertSizes sizes = read_bert_sizes(start.path);
  if (start.layers > sizes.layers)
    fail<InvalidArgument>("pretrained", "{} = {}, but {} has {} layers", start.layers_key,
                          start.layers, start.path.string(), sizes.layers);
  if (start.layers > 0) sizes.layers = start.layers;
  if (start.longest > sizes.max_length)
    fail<InvalidArgument>("pretrained",
                          "texts for {} have up to {} tokens, [CLS] and [SEP] included, but {} has "
                          "{} positions",
                          start.key, start.longest, start.path.string(), sizes.max_length);
  check_vocabulary(store.vocabulary_path(), start.path / "vocab.txt");
  check_case(start.path, tokenizer.lower_case);
  if (store.schema().vocabulary_size > sizes.vocabulary)
    fail<DataError>(
        "pretrained", "{} holds {} pieces, but by its config.json the vocabulary has {}",
        (start.path / "vocab.txt").string(), store.schema().vocabulary_size, sizes.vocabulary);
  return sizes;
}

/// Throws InvalidArgument where a size was set to something else than the checkpoint has. What has
/// its default counts as not set.
void check_sizes(const ModelOptions& model, const std::string& folder, const BertSizes& sizes) {
  const ModelOptions defaults;
  const auto check = [&](const char* key, int64_t value, int64_t standard, int64_t expected) {
    if (value != standard && value != expected)
      fail<InvalidArgument>("pretrained",
                            "{} = {}, but it is {} in '{}': set it so or leave it out", key, value,
                            expected, folder);
  };
  check("model.encoder_width", model.encoder_width, defaults.encoder_width, sizes.width);
  check("model.encoder_heads", model.encoder_heads, defaults.encoder_heads, sizes.heads);
  if (model.encoder_ffn_factor * sizes.width != sizes.ffn)
    check("model.encoder_ffn_factor", model.encoder_ffn_factor, defaults.encoder_ffn_factor,
          sizes.ffn / sizes.width);
}

/// Checks what can be checked without the checkpoints.
void check_use(const ModelOptions& model, const StoreSchema& schema) {
  if (!model.document_pretrained.empty() && schema.text.empty())
    fail<InvalidArgument>("pretrained",
                          "model.document_pretrained = '{}' has nothing to encode: there is "
                          "no [[data.text]]",
                          model.document_pretrained);
  if (!model.query_pretrained.empty() && !schema.has_queries)
    fail<InvalidArgument>("pretrained",
                          "model.query_pretrained = '{}' has nothing to encode: there is no "
                          "data.columns.query",
                          model.query_pretrained);
  if (!model.document_pretrained.empty() && !schema.images.empty())
    fail<InvalidArgument>("pretrained",
                          "the pretrained encoder of model.document_pretrained = '{}' reads texts "
                          "only: images ([[data.image]] '{}') need lemur's own document encoder",
                          model.document_pretrained, schema.images[0].name);
}

/// Throws InvalidArgument where words are to be shared between encoders of different origin.
void check_sharing(const ModelOptions& model, const Start& document, const Start& query) {
  if (model.share_word_embeddings && document.path != query.path)
    fail<InvalidArgument>("pretrained",
                          "model.share_word_embeddings needs one origin of both encoders, but {} = "
                          "'{}' and {} = '{}': set it to false",
                          document.key, document.folder, query.key, query.folder);
}

/// Returns where a configured folder is; equal for equal folders.
fs::path locate(const fs::path& base, const std::string& folder) {
  const fs::path path = (base / folder).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

Start document_start(const ModelOptions& model, const fs::path& base) {
  return {"model.document_pretrained", "model.document_layers",
          model.document_pretrained,   locate(base, model.document_pretrained),
          model.document_layers,       0};
}

Start query_start(const ModelOptions& model, const fs::path& base) {
  return {"model.query_pretrained", "model.query_layers",
          model.query_pretrained,   locate(base, model.query_pretrained),
          model.query_layers,       model.query_max_tokens + 2};
}

/// Loads one encoder; returns a line that says what it took.
std::string load(const char* name, const Start& start, BertEncoder encoder) {
  const std::vector<std::string> unused = load_bert(start.path, encoder);
  constexpr size_t kNamed = 4;
  std::string line = fmt::format("{} encoder: {} layers of width {} from {}", name,
                                 encoder->options().layers, encoder->options().width, start.folder);
  if (unused.empty()) return line;
  return line + fmt::format("; {} of its tensors are not used: {}{}", unused.size(),
                            fmt::join(unused.begin(),
                                      unused.begin() +
                                          static_cast<ptrdiff_t>(std::min(unused.size(), kNamed)),
                                      ", "),
                            unused.size() > kNamed ? " ..." : "");
}

}  // namespace

void adopt_pretrained(Options& options, const SampleStore& store, const fs::path& base) {
  ModelOptions& model = options.model;
  const StoreSchema& schema = store.schema();
  model.document_bert = model.query_bert = {};
  if (!model.content || (model.document_pretrained.empty() && model.query_pretrained.empty()))
    return;
  check_use(model, schema);
  Start document = document_start(model, base), query = query_start(model, base);
  document.longest = max_document_length(schema, model.patch_pixels);
  if (!schema.text.empty() && schema.has_queries) check_sharing(model, document, query);
  if (!model.document_pretrained.empty())
    model.document_bert = adopt(document, options.tokenizer, store);
  if (!model.query_pretrained.empty()) model.query_bert = adopt(query, options.tokenizer, store);
  // lemur's own encoder beside a pretrained one has the sizes of the options.
  if (!schema.text.empty() && model.document_pretrained.empty()) return;
  if (schema.has_queries && model.query_pretrained.empty()) return;
  for (const auto& [start, sizes] :
       {std::pair(document, model.document_bert), std::pair(query, model.query_bert)})
    if (sizes.width > 0) check_sizes(model, start.folder, sizes);
}

std::vector<std::string> load_pretrained(const ModelOptions& options, const fs::path& base,
                                         RankingModelImpl& model) {
  std::vector<std::string> lines;
  if (!model.document_bert().is_empty())
    lines.push_back(load("document", document_start(options, base), model.document_bert()));
  if (!model.query_bert().is_empty())
    lines.push_back(load("query", query_start(options, base), model.query_bert()));
  return lines;
}

}  // namespace lemur
