// The part of the simulated world that writes files.
#include <nlohmann/json.hpp>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/data/database.h"
#include "lemur/synth/world.h"

namespace lemur {
namespace {

constexpr const char* kConfiguration =
    R"(# A simulated world of short-video search, written by `lemur synth`.
[data]
documents = "documents.parquet"
events = "events.parquet"
queries = "queries.parquet"

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

[model]
representation_width = 64
encoder_width = 64
document_layers = 1
query_layers = 1
tokens = 8
token_width = 64
temperature = 10
alignment_weight = 1
negatives = "all"

[bank]
forward = 0.2
backward = 0.2
fresh_evaluation = true

[train]
epochs = 3
batch_size = 512
word_learning_rate = 0.003
order = "time"
schedule = "cosine"
average_decay = 0.99
metric = "auc"
)";

nlohmann::ordered_json to_json(const WorldSummary& s) {
  return {{"documents", s.documents},
          {"users", s.users},
          {"events", s.events},
          {"requests", s.requests},
          {"queries", s.queries},
          {"clicks", s.clicks},
          {"click_rate", s.click_rate},
          {"mean_p_star", s.mean_p_star},
          {"auc_of_p_star", s.auc_of_p_star},
          {"auc_of_p_star_last", s.auc_of_p_star_last},
          {"logit_variance_shares",
           {{"match", s.shares.match},
            {"long_interest", s.shares.long_interest},
            {"short_interest", s.shares.short_interest},
            {"quality", s.shares.quality},
            {"author", s.shares.author},
            {"position", s.shares.position}}}};
}

}  // namespace

WorldSummary simulate(const WorldOptions& options, const std::filesystem::path& out,
                      const WorldProgress& progress) {
  check(options);
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) fail<DataError>("synth", "cannot create {}: {}", out.string(), error.message());
  using enum ColumnType;
  ParquetWriter documents((out / "documents.parquet").string(), {{"document", kInt64},
                                                                 {"title", kText},
                                                                 {"ocr", kText},
                                                                 {"asr", kText},
                                                                 {"cover_ocr", kText},
                                                                 {"author", kInt64},
                                                                 {"category", kText},
                                                                 {"created_ms", kInt64}});
  ParquetWriter events((out / "events.parquet").string(), {{"time_ms", kInt64},
                                                           {"request", kInt64},
                                                           {"user", kInt64},
                                                           {"query", kText},
                                                           {"document", kInt64},
                                                           {"label", kInt64},
                                                           {"position", kInt64},
                                                           {"p_star", kDouble}});
  ParquetWriter queries((out / "queries.parquet").string(),
                        {{"user", kInt64}, {"query", kText}, {"time_ms", kInt64}});
  auto write = [](ParquetWriter& file, const auto&... values) {
    (file.append(values), ...), file.end_row();
  };
  WorldSink sink{.document =
                     [&](const DocumentRow& d) {
                       write(documents, d.document, d.title, d.ocr, d.asr, d.cover_ocr, d.author,
                             d.category, d.created_ms);
                     },
                 .event =
                     [&](const EventRow& e) {
                       write(events, e.time_ms, e.request, e.user, e.query, e.document, e.label,
                             e.position, e.p_star);
                     },
                 .query = [&](const QueryRow& q) { write(queries, q.user, q.query, q.time_ms); }};
  WorldSummary summary = simulate(options, sink, progress);
  for (ParquetWriter* file : {&documents, &events, &queries}) file->finish();
  write_file_atomically(out / "summary.json", to_json(summary).dump(1) + "\n");
  write_file_atomically(out / "world.toml", kConfiguration);
  return summary;
}

}  // namespace lemur
