#include "lemur/data/run_folder.h"

#include <gtest/gtest.h>

#include <functional>

#include "lemur/base/error.h"
#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

void write_checkpoint(const RunFolder& run, int64_t step, int version = kCheckpointVersion) {
  FolderWriter writer(run.checkpoint(step));
  write_file_atomically(writer.file("content"), std::to_string(step));
  writer.publish({{"format", "lemur checkpoint"}, {"version", version}, {"step", step}});
}

TEST(RunFolder, KeepsTheNewestAndTheBest) {
  TemporaryFolder folder;
  RunFolder run(folder.path() / "run");
  std::filesystem::create_directory(run.path());
  for (int64_t step : {10, 20, 30, 1000000, 40}) write_checkpoint(run, step);
  run.set_best(10);
  std::filesystem::create_directory(run.path() / "step-000050.tmp-7");
  write_file_atomically(run.path() / "evaluation-test.json.tmp-8", "somebody is at it");
  run.prune(2);
  EXPECT_EQ(run.checkpoints(), (std::vector<int64_t>{10, 40, 1000000}));
  EXPECT_EQ(run.best(), 10);
  EXPECT_FALSE(std::filesystem::exists(run.path() / "step-000050.tmp-7"));
  EXPECT_TRUE(std::filesystem::exists(run.path() / "evaluation-test.json.tmp-8"));
}

TEST(RunFolder, NewestSkipsWhatIsDamagedOrUnfinished) {
  TemporaryFolder folder;
  RunFolder run(folder.path() / "run");
  EXPECT_EQ(run.newest(nullptr), std::nullopt);
  std::filesystem::create_directory(run.path());
  for (int64_t step : {1, 2, 3}) write_checkpoint(run, step);
  write_file_atomically(run.checkpoint(3) / "content", "X");
  std::filesystem::remove(run.checkpoint(2) / "manifest.json");
  std::vector<std::string> skipped;
  EXPECT_EQ(run.newest(&skipped), 1);
  ASSERT_EQ(skipped.size(), 2u);
  EXPECT_NE(skipped[0].find("step-000002 has no manifest.json"), std::string::npos) << skipped[0];
  EXPECT_NE(skipped[1].find("content is damaged"), std::string::npos) << skipped[1];
}

TEST(RunFolder, NewestSkipsCheckpointsOfOtherVersions) {
  TemporaryFolder folder;
  RunFolder run(folder.path());
  write_checkpoint(run, 1);
  write_checkpoint(run, 2, kCheckpointVersion + 1);
  std::vector<std::string> skipped;
  EXPECT_EQ(run.newest(&skipped), 1);
  ASSERT_EQ(skipped.size(), 1u);
  EXPECT_EQ(skipped[0],
            fmt::format("[files] {} is a lemur checkpoint of version {}; this program reads "
                        "version {}",
                        run.checkpoint(2).string(), kCheckpointVersion + 1, kCheckpointVersion));
}

TEST(RunFolder, ChoosesTheBestElseTheNewestOrTheOneNamed) {
  TemporaryFolder folder;
  RunFolder run(folder.path() / "run");
  std::filesystem::create_directory(run.path());
  EXPECT_THROW(run.choose("best", nullptr), DataError);
  for (int64_t step : {1, 2}) write_checkpoint(run, step);
  EXPECT_EQ(run.choose("best", nullptr), run.checkpoint(2));
  run.set_best(1);
  EXPECT_EQ(run.choose("best", nullptr), run.checkpoint(1));
  EXPECT_EQ(run.choose("newest", nullptr), run.checkpoint(2));
  EXPECT_EQ(run.choose("step-000007", nullptr), run.path() / "step-000007");
}

TEST(RunFolder, RemembersOptionsSchemaAndVocabulary) {
  TemporaryFolder folder;
  write_store(folder.path() / "store", random_store({}));
  SampleStore store(folder.path() / "store");
  RunFolder run(folder.path() / "run");
  EXPECT_FALSE(run.exists());
  EXPECT_THROW(run.options(), DataError);
  Options options;
  options.train.batch_size = 77;
  run.create(options, store);
  EXPECT_TRUE(run.exists());
  EXPECT_EQ(run.options().train.batch_size, 77);
  EXPECT_EQ(run.schema().to_json(), store.schema().to_json());
  EXPECT_EQ(run.special_tokens().sep, 3);
}

TEST(RunFolder, RefusesRunsOfOtherVersions) {
  TemporaryFolder folder;
  write_store(folder.path() / "store", random_store({}));
  RunFolder run(folder.path() / "run");
  run.create(Options(), SampleStore(folder.path() / "store"));
  const std::string expected = fmt::format(
      "[files] {} is a lemur run of version {{}}; this program "
      "reads version {}",
      run.path().string(), RunFolder::kVersion);
  write_file_atomically(run.path() / "run.json", R"({"format": "lemur run", "version": 99})");
  for (const auto& read : std::vector<std::function<void()>>{
           [&] { run.options(); }, [&] { run.schema(); }, [&] { run.special_tokens(); }})
    EXPECT_EQ(message_of<DataError>(read), fmt::format(fmt::runtime(expected), 99));
  std::filesystem::remove(run.path() / "run.json");  // as those of version 1 are
  EXPECT_EQ(message_of<DataError>([&] { run.options(); }), fmt::format(fmt::runtime(expected), 1));
  write_file_atomically(run.path() / "run.json", "{");
  expect_error<DataError>([&] { run.options(); }, "is no lemur run");
}

}  // namespace
}  // namespace lemur
