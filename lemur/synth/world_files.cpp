// The part of the simulated world that writes files.
#include <nlohmann/json.hpp>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/data/database.h"
#include "lemur/synth/covers.h"
#include "lemur/synth/world.h"

namespace lemur {
namespace {

constexpr const char* kConfiguration =
    R"(# A simulated world of short-video search, written by `lemur synth`.
[data]
documents = "documents.parquet"
events = "events.parquet"
queries = "queries.parquet"
click_counters = false

[data.columns]
document = "document"
user = "user"
time = "time_ms"
request = "request"
query = "query"
labels = ["label"]

[data.split]
valid = 0.1
test = 0.1

[[data.text]]
column = "title"
max_tokens = 16
[[data.text]]
column = "ocr"
max_tokens = 24
[[data.text]]
column = "asr"
max_tokens = 8
[[data.text]]
column = "cover_ocr"
max_tokens = 8

[[data.feature]]
column = "document"
of = "document"
admit_after = 50
[[data.feature]]
column = "author"
of = "document"
[[data.feature]]
column = "category"
of = "document"
[[data.feature]]
column = "user"
of = "user"
admit_after = 200
[[data.feature]]
column = "position"
of = "context"

[[data.history]]
name = "short"
length = 50
where = "label = 1"
[[data.history]]
name = "long"
length = 1000
where = "label = 1"

[tokenizer]
vocabulary = 8000

)";

// How a world of many clicks trains.
constexpr const char* kTraining = R"([model]
representation_width = 64
encoder_width = 64
document_layers = 1
query_layers = 1
tokens = 8
token_width = 64
temperature = 10
alignment_weight = 1
negatives = "all"
embedding_dropout = 0
text_start = "random"
text_pooling = "cls"

[bank]
forward = 0.2
backward = 0.2
fresh_evaluation = true

[train]
epochs = 3
batch_size = 512
word_learning_rate = 0.003
order = "time"
encoder_gradient = 1
encoder_gradient_after = 0
schedule = "cosine"
average_decay = 0.99
metric = "auc"
)";

// A sparse world has the program's own settings, in a small size.
constexpr const char* kSparseTraining = R"([model]
representation_width = 64
encoder_width = 64
document_layers = 1
query_layers = 1
tokens = 8
token_width = 64

[train]
epochs = 1
batch_size = 512
metric = "qauc"
)";

// End [train]: an encoder of images needs the rate of everything else (docs/simulated_world.md).
constexpr const char *kTextTraining = "encoder_learning_rate = 0.00025\n",
                     *kImageTraining = "encoder_learning_rate = 0\n";

constexpr const char* kImageConfiguration =
    R"([[data.image]]
column = "cover"
pixels = 64

)";
// The figures of a cover are small: in patches of 16 pixels they mix with what lies beside them.
constexpr const char* kImageModel = "patch_pixels = 8\n";

/// Features of the fields that interact. There is more to mix, by more tokens.
void add_interactions(std::string& text) {
  std::string features;
  const auto add = [&](const char* column, const char* of) {
    features += fmt::format("[[data.feature]]\ncolumn = \"{}\"\nof = \"{}\"\ninit_scale = 0.1\n",
                            column, of);
  };
  for (const char* column : kDocumentFields) add(column, "document");
  for (const char* column : kUserFields) add(column, "user");
  add("hour", "context");
  text.insert(text.find("\n[[data.history]]"), features);
  const std::string tokens = "\ntokens = 8\n";
  text.replace(text.find(tokens), tokens.size(), "\ntokens = 16\n");
}

std::string configuration(const WorldOptions& options) {
  std::string text = std::string(kConfiguration) + (options.sparse ? kSparseTraining : kTraining);
  if (options.interactions) add_interactions(text);
  if (options.sparse) return text;
  if (!options.images) return text + kTextTraining;
  const std::string model = "[model]\n";
  text.insert(text.find(model) + model.size(), kImageModel);
  return text.insert(text.find("[[data.feature]]"), kImageConfiguration) + kImageTraining;
}

nlohmann::ordered_json to_json(const WorldSummary& s, const WorldOptions& options) {
  nlohmann::ordered_json json = {{"documents", s.documents},
                                 {"users", s.users},
                                 {"events", s.events},
                                 {"requests", s.requests},
                                 {"queries", s.queries},
                                 {"clicks", s.clicks},
                                 {"click_rate", s.click_rate},
                                 {"mean_p_star", s.mean_p_star},
                                 {"auc_of_p_star", s.auc_of_p_star},
                                 {"auc_of_p_star_last", s.auc_of_p_star_last}};
  if (options.images) {
    json["auc_of_p_star_without_images"] = s.auc_of_p_star_without_images;
    json["auc_of_p_star_without_images_last"] = s.auc_of_p_star_without_images_last;
  }
  json["logit_variance_shares"] = {{"match", s.shares.match},
                                   {"long_interest", s.shares.long_interest},
                                   {"short_interest", s.shares.short_interest},
                                   {"quality", s.shares.quality},
                                   {"author", s.shares.author},
                                   {"position", s.shares.position}};
  if (options.interactions) json["logit_variance_shares"]["interactions"] = s.shares.interactions;
  return json;
}

using Columns = std::vector<ParquetWriter::Column>;
using enum ColumnType;

Columns document_columns(const WorldOptions& options) {
  Columns columns = {{"document", kInt64}, {"title", kText},      {"ocr", kText},
                     {"asr", kText},       {"cover_ocr", kText},  {"author", kInt64},
                     {"category", kText},  {"created_ms", kInt64}};
  if (options.images) columns.push_back({"cover", kText});
  if (options.interactions)
    for (const char* name : kDocumentFields) columns.push_back({name, kInt64});
  return columns;
}

Columns event_columns(const WorldOptions& options) {
  Columns columns = {{"time_ms", kInt64},  {"request", kInt64},  {"user", kInt64},
                     {"query", kText},     {"document", kInt64}, {"label", kInt64},
                     {"position", kInt64}, {"p_star", kDouble}};
  if (options.images) columns.push_back({"p_star_without_images", kDouble});
  if (options.interactions) {
    for (const char* name : kUserFields) columns.push_back({name, kInt64});
    columns.push_back({"hour", kInt64});
  }
  return columns;
}

/// The three tables of a world's folder, and what the covers are to show.
class WorldFiles {
 public:
  WorldFiles(const std::filesystem::path& out, const WorldOptions& options)
      : options_(options),
        documents_((out / "documents.parquet").string(), document_columns(options)),
        events_((out / "events.parquet").string(), event_columns(options)),
        queries_((out / "queries.parquet").string(),
                 {{"user", kInt64}, {"query", kText}, {"time_ms", kInt64}}) {}

  WorldSink sink() {
    return {.document = [this](const DocumentRow& row) { add(row); },
            .event = [this](const EventRow& row) { add(row); },
            .query =
                [this](const QueryRow& row) {
                  append(queries_, row.user, row.query, row.time_ms), queries_.end_row();
                }};
  }

  void finish() {
    for (ParquetWriter* file : {&documents_, &events_, &queries_}) file->finish();
  }

  const std::vector<Cover>& covers() const { return covers_; }

 private:
  static void append(ParquetWriter& file, const auto&... values) { (file.append(values), ...); }
  static void append_fields(ParquetWriter& file, const auto& fields) {
    for (const uint8_t value : fields) file.append(int64_t{value});
  }

  void add(const DocumentRow& d) {
    append(documents_, d.document, d.title, d.ocr, d.asr, d.cover_ocr, d.author, d.category,
           d.created_ms);
    if (options_.images) documents_.append(d.cover);
    if (options_.interactions) append_fields(documents_, d.fields);
    documents_.end_row();
    if (!d.cover.empty())
      covers_.push_back({static_cast<uint32_t>(d.document), d.visual_topic.value()});
  }
  void add(const EventRow& e) {
    append(events_, e.time_ms, e.request, e.user, e.query, e.document, e.label, e.position,
           e.p_star);
    if (options_.images) events_.append(e.p_star_without_images);
    if (options_.interactions) append_fields(events_, e.fields), events_.append(e.hour);
    events_.end_row();
  }

  const WorldOptions& options_;
  ParquetWriter documents_, events_, queries_;
  std::vector<Cover> covers_;
};

}  // namespace

WorldSummary simulate(const WorldOptions& options, const std::filesystem::path& out,
                      const WorldProgress& progress) {
  check(options);
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) fail<DataError>("synth", "cannot create {}: {}", out.string(), error.message());
  WorldFiles files(out, options);
  WorldSummary summary = simulate(options, files.sink(), progress);
  files.finish();
  write_covers(out, options.seed, files.covers(), options.threads);
  write_file_atomically(out / "summary.json", to_json(summary, options).dump(1) + "\n");
  write_file_atomically(out / "world.toml", configuration(options));
  return summary;
}

}  // namespace lemur
