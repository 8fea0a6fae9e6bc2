#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "lemur/base/config.h"
#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/data/database.h"
#include "lemur/synth/world.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

fs::path fresh_folder(const char* name) {
  fs::path folder = fs::path(testing::TempDir()) / name;
  fs::remove_all(folder);
  return folder;
}

WorldOptions tiny() {
  WorldOptions options;
  options.documents = 200, options.users = 33, options.events = 3001;
  return options;
}

WorldOptions tiny_with_images() {
  WorldOptions options = tiny();
  options.images = true;
  return options;
}

/// Names of a file's columns, each followed by a space.
std::string columns(const fs::path& file) {
  Database database;
  std::string names;
  for (const ColumnInfo& column :
       database.describe("SELECT * FROM read_parquet(" + sql_literal(file.string()) + ")"))
    names += column.name + ' ';
  return names;
}

/// All rows of a file as one text.
std::string content(const fs::path& file) {
  Database database;
  std::string all;
  std::string table = "read_parquet(" + sql_literal(file.string()) + ")";
  database.query("SELECT to_json(t)::VARCHAR FROM " + table + " t", [&](auto columns, size_t rows) {
    for (size_t i = 0; i < rows; ++i) all += std::string(columns[0].text(i)) + '\n';
  });
  return all;
}

TEST(WorldFiles, HoldTheSimulatedRows) {
  fs::path folder = fresh_folder("world_rows");
  WorldSummary summary = simulate(tiny(), folder);
  Database database;
  auto count = [&](const std::string& select, const char* file) {
    return database.query_int64("SELECT " + select + " FROM read_parquet(" +
                                sql_literal((folder / file).string()) + ")");
  };
  EXPECT_EQ(count("count(*)", "documents.parquet"), 200);
  EXPECT_EQ(count("count(*)", "events.parquet"), 3001);
  EXPECT_EQ(count("sum(label)::BIGINT", "events.parquet"), summary.clicks);
  EXPECT_EQ(count("count(DISTINCT request)", "events.parquet"), summary.requests);
  EXPECT_EQ(count("count(*)", "queries.parquet"), summary.queries);
  EXPECT_EQ(count("round(avg(p_star) * 1e9)::BIGINT", "events.parquet"),
            std::llround(summary.mean_p_star * 1e9));
  EXPECT_EQ(columns(folder / "documents.parquet"),
            "document title ocr asr cover_ocr author category created_ms ");
  EXPECT_EQ(columns(folder / "events.parquet"),
            "time_ms request user query document label position p_star ");
  auto json = nlohmann::json::parse(read_file(folder / "summary.json"));
  EXPECT_EQ(json.at("clicks"), summary.clicks);
  EXPECT_EQ(json.at("auc_of_p_star"), summary.auc_of_p_star);
  EXPECT_FALSE(json.contains("auc_of_p_star_without_images"));
}

TEST(WorldFiles, HoldCoversWithImages) {
  fs::path folder = fresh_folder("world_images");
  WorldSummary summary = simulate(tiny_with_images(), folder);
  EXPECT_EQ(columns(folder / "documents.parquet"),
            "document title ocr asr cover_ocr author category created_ms cover ");
  EXPECT_EQ(columns(folder / "events.parquet"),
            "time_ms request user query document label position p_star p_star_without_images ");
  Database database;
  size_t covers = 0, files = 0;
  database.query("SELECT cover FROM read_parquet(" +
                     sql_literal((folder / "documents.parquet").string()) + ") WHERE cover <> ''",
                 [&](auto view, size_t rows) {
                   for (size_t i = 0; i < rows; ++i)
                     EXPECT_TRUE(fs::exists(folder / view[0].text(i)));
                   covers += rows;
                 });
  for (const auto& entry : fs::recursive_directory_iterator(folder / "covers"))
    files += entry.is_regular_file();
  EXPECT_GT(covers, 185u);
  EXPECT_LT(covers, 200u);
  EXPECT_EQ(files, covers);
  auto json = nlohmann::json::parse(read_file(folder / "summary.json"));
  EXPECT_EQ(json.at("auc_of_p_star_without_images"), summary.auc_of_p_star_without_images);
  EXPECT_EQ(json.at("auc_of_p_star_without_images_last"),
            summary.auc_of_p_star_without_images_last);
}

TEST(WorldFiles, HoldTheFieldsOfInteractions) {
  fs::path folder = fresh_folder("world_interactions");
  WorldOptions options = tiny();
  options.interactions = true;
  WorldSummary summary = simulate(options, folder);
  EXPECT_EQ(columns(folder / "documents.parquet"),
            "document title ocr asr cover_ocr author category created_ms format duration style "
            "language ");
  EXPECT_EQ(columns(folder / "events.parquet"),
            "time_ms request user query document label position p_star age_group region device "
            "occupation hour ");
  Database database;
  const std::string events =
      "read_parquet(" + sql_literal((folder / "events.parquet").string()) + ")";
  EXPECT_EQ(database.query_int64("SELECT count(DISTINCT (user, age_group, region, device, "
                                 "occupation)) - count(DISTINCT user) FROM " +
                                 events),
            0);
  EXPECT_EQ(database.query_int64("SELECT count(*) FROM " + events +
                                 " WHERE hour <> (time_ms // 3600000) % 24 OR device > 7"),
            0);
  auto json = nlohmann::json::parse(read_file(folder / "summary.json"));
  EXPECT_EQ(json.at("logit_variance_shares").at("interactions"), summary.shares.interactions);
  Options read = load_options(folder / "world.toml");
  EXPECT_EQ(read.data.feature.size(), 14u);
  EXPECT_EQ(read.data.feature[4].init_scale, 0.01);
  EXPECT_EQ(read.data.feature[13].column, "hour");
  EXPECT_EQ(read.data.feature[13].init_scale, 0.1);
  EXPECT_EQ(read.model.tokens, 16);
}

TEST(WorldFiles, AreTheSameWithAnyNumberOfThreads) {
  fs::path one = fresh_folder("world_one_thread"), many = fresh_folder("world_many_threads");
  WorldOptions options = tiny_with_images();
  options.threads = 1;
  simulate(options, one);
  options.threads = 5;
  simulate(options, many);
  for (const char* file : {"documents.parquet", "events.parquet", "queries.parquet"})
    EXPECT_EQ(content(one / file), content(many / file)) << file;
  for (const auto& entry : fs::directory_iterator(one / "covers/000"))
    EXPECT_EQ(read_file(entry), read_file(many / "covers/000" / entry.path().filename()));
}

TEST(WorldFiles, AreTheSameForTheSameOptions) {
  fs::path a = fresh_folder("world_a"), b = fresh_folder("world_b");
  simulate(tiny(), a);
  simulate(tiny(), b);
  for (const char* file : {"documents.parquet", "events.parquet", "queries.parquet"}) {
    EXPECT_EQ(content(a / file), content(b / file)) << file;
    EXPECT_FALSE(content(a / file).empty());
  }
  EXPECT_EQ(read_file(a / "summary.json"), read_file(b / "summary.json"));
}

TEST(WorldFiles, ReplaceAnOlderWorldAndLeaveOtherFilesAlone) {
  fs::path folder = fresh_folder("world_again");
  simulate(tiny(), folder);
  write_file_atomically(folder / "mine.txt", "kept");
  WorldOptions other = tiny();
  other.seed = 2;
  std::string before = content(folder / "events.parquet");
  simulate(other, folder);
  EXPECT_NE(content(folder / "events.parquet"), before);
  EXPECT_EQ(read_file(folder / "mine.txt"), "kept");
}

TEST(WorldFiles, LeaveNothingBehindButTheirOwn) {
  fs::path folder = fresh_folder("world_clean");
  simulate(tiny(), folder);
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder)) files += entry.is_regular_file();
  EXPECT_EQ(files, 5u);
}

TEST(WorldFiles, AreNotBegunForWrongOptions) {
  fs::path folder = fresh_folder("world_wrong");
  WorldOptions options = tiny();
  options.users = 0;
  EXPECT_THROW(simulate(options, folder), InvalidArgument);
  EXPECT_FALSE(fs::exists(folder));
}

TEST(WorldFiles, CannotBeWrittenWhereAFileStands) {
  fs::path folder = fresh_folder("world_file");
  write_file_atomically(folder, "a file");
  try {
    simulate(tiny(), folder);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("world_file"), std::string::npos);
  }
}

TEST(WorldConfiguration, IsOneThatTheProgramReads) {
  fs::path folder = fresh_folder("world_configuration");
  simulate(tiny(), folder);
  Options options = load_options(folder / "world.toml");
  EXPECT_EQ(options.data.events, "events.parquet");
  EXPECT_EQ(options.data.columns.time, "time_ms");
  EXPECT_EQ(options.data.columns.request, "request");
  EXPECT_EQ(options.data.columns.query, "query");
  EXPECT_EQ(options.data.text.size(), 4u);
  EXPECT_EQ(options.data.feature.size(), 5u);
  EXPECT_EQ(options.data.history.size(), 2u);
  EXPECT_EQ(options.bank.forward, 0.2);
  EXPECT_EQ(options.train.batch_size, 512);
  EXPECT_TRUE(options.data.image.empty());
  EXPECT_EQ(options.train.encoder_learning_rate, 0.00025);
}

TEST(WorldConfiguration, NamesTheCoversWithImages) {
  fs::path folder = fresh_folder("world_image_configuration");
  simulate(tiny_with_images(), folder);
  Options options = load_options(folder / "world.toml");
  ASSERT_EQ(options.data.image.size(), 1u);
  EXPECT_EQ(options.data.image[0].column, "cover");
  EXPECT_EQ(options.data.image[0].pixels, 64);
  EXPECT_EQ(options.data.text.size(), 4u);
  EXPECT_EQ(options.train.encoder_learning_rate, 0);
}

}  // namespace
}  // namespace lemur
