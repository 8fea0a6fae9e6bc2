#include "lemur/data/ingest.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/data/database.h"
#include "lemur/data/ingest_tables.h"
#include "lemur/data/ingest_writer.h"

namespace lemur {
namespace {

/// Runs named stages one after the other and notes how long each took.
class Stages {
 public:
  Stages(const IngestOptions& options, nlohmann::json& summary)
      : options_(options), summary_(summary) {}

  template <typename Work>
  void run(const char* name, Work work) {
    if (options_.progress) options_.progress(name, 0, 0);
    auto start = std::chrono::steady_clock::now();
    work();
    summary_["seconds"][name] =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  const IngestOptions& options_;
  nlohmann::json& summary_;
};

}  // namespace

nlohmann::json ingest(const IngestOptions& given) {
  IngestOptions options = given;
  if (options.threads <= 0)
    options.threads = static_cast<int64_t>(std::thread::hardware_concurrency());
  if (options.data.documents.empty() || options.data.events.empty())
    fail<InvalidArgument>("ingest", "data.documents and data.events are required");
  nlohmann::json summary = {{"notes", nlohmann::json::array()}};
  for (const auto& image : options.data.image)
    summary["notes"].push_back("image column '" + image.column +
                               "' is left out: images are not encoded yet");

  FolderWriter folder(options.store);
  std::string work = folder.file("work.duckdb").string();
  StoreSchema schema;
  {
    Database database({.threads = options.threads,
                       .memory_limit_mb = options.memory_limit_mb,
                       .temporary_folder = folder.file("spill").string(),
                       .file = work});
    database.execute("SET file_search_path = " +
                     sql_literal(std::filesystem::absolute(options.base).string()));
    Stages stages(options, summary);
    IngestTables tables(database, options.data, options.base, summary);
    stages.run("read documents", [&] { tables.read_documents(); });
    stages.run("read events", [&] { tables.read_events(); });
    stages.run("number", [&] { tables.number_users_and_documents(), tables.cut_splits(); });
    IngestWriter writer(database, options, tables, folder, summary);
    stages.run("vocabulary", [&] { writer.write_vocabulary(); });
    stages.run("documents", [&] { writer.write_documents(); });
    stages.run("queries", [&] { writer.write_queries(); });
    stages.run("users", [&] { writer.write_users(); });
    stages.run("counters", [&] { writer.compute_counters(); });
    stages.run("features", [&] { writer.write_document_features(); });
    stages.run("events", [&] { writer.write_events(); });
    stages.run("histories", [&] { writer.write_histories(); });
    schema = writer.schema();
  }
  for (const char* leftover : {"work.duckdb", "work.duckdb.wal", "spill"})
    std::filesystem::remove_all(folder.file(leftover));
  summary["documents"]["kept"] = schema.num_documents;
  summary["users"] = schema.num_users;
  summary["queries"] = schema.num_queries;
  folder.publish({{"format", "lemur sample store"},
                  {"version", SampleStore::kVersion},
                  {"schema", schema.to_json()},
                  {"summary", summary}});
  return summary;
}

}  // namespace lemur
