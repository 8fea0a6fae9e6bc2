// For tests: a folder of small inputs, ingested.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/data/database.h"
#include "lemur/data/ingest.h"
#include "lemur/data/sample_store_testing.h"

namespace lemur {

/// Three documents and six events of two users, to be changed by a test before it ingests.
class IngestTest : public ::testing::Test {
 protected:
  IngestTest() {
    how.base = folder.path();
    how.store = folder.path() / "store";
    how.threads = 2;
    how.data.documents = "documents.csv";
    how.data.events = "events.csv";
    how.data.columns.split = "split";
    how.data.time_format = "ms";  // tests may use times of 1970
    how.data.text = {{"title", 4}};
    how.tokenizer.min_count = 1;
  }

  void write(const std::string& name, std::string_view text) const {
    write_file_atomically(folder.path() / name, text);
  }
  /// Writes what `sql` selects as Parquet, CSV or JSON lines, by the ending of the name.
  void write_table(const std::string& name, const std::string& sql) const {
    bool is_json = name.find("json") != std::string::npos;
    bool is_tsv = name.find(".tsv") != std::string::npos;
    bool is_csv = name.find(".csv") != std::string::npos;
    Database database;
    database.execute("COPY (" + sql + ") TO " + sql_literal((folder.path() / name).string()) +
                     (is_json  ? " (FORMAT json)"
                      : is_tsv ? " (FORMAT csv, HEADER, DELIMITER '\\t')"
                      : is_csv ? " (FORMAT csv, HEADER)"
                               : " (FORMAT parquet)"));
  }
  void write_inputs() const {
    write("documents.csv", documents);
    write("events.csv", events);
  }

  SampleStore run() {
    summary = ingest(how);
    return SampleStore(how.store, true);
  }

  /// Ingests and returns the message of the error of type E, which must come and leave no store.
  template <typename E>
  std::string failure() {
    std::string message = "no error";
    std::filesystem::remove_all(how.store);
    try {
      ingest(how);
    } catch (const E& error) {
      message = error.what();
    } catch (const std::exception& error) {
      message = std::string("another error: ") + error.what();
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
      EXPECT_FALSE(entry.path().filename().string().starts_with("store")) << entry.path();
    return message;
  }
  std::string data_error() { return failure<DataError>(); }
  std::string invalid_argument() { return failure<InvalidArgument>(); }

  TemporaryFolder folder;
  IngestOptions how;
  nlohmann::json summary;
  std::string documents =
      "document,title,tags,price\n"
      "d1,The red fox,a b,1\n"
      "d2,A blue fox jumps over it,b,3\n"
      "d3,,,\n";
  std::string events =
      "split,time,user,document,label\n"
      "train,1000000000000,u2,d2,1\n"
      "train,1000000001000,u1,d1,0\n"
      "valid,1000000005000,u2,d1,1\n"
      "train,1000000000500,u1,d2,1\n"
      "test,1000000009000,u1,d3,0\n"
      "test,1000000007000,u2,d2,1\n";
};

/// Says that `text` holds `part`.
inline ::testing::AssertionResult holds(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "'" << text << "' lacks '" << part << "'";
}

}  // namespace lemur
