#include "lemur/train/quarantine.h"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "lemur/data/sample_store_testing.h"
#include "lemur/train/json_lines.h"

namespace lemur {
namespace {

class QuarantineTest : public testing::Test {
 protected:
  QuarantineTest() {
    write_store(folder_.path() / "store", random_store({}));
    store_.emplace(folder_.path() / "store");
    batch_ = make_batch(*store_, std::vector<uint64_t>{4, 2});
    metrics_.fault = "the loss is nan";
    metrics_.scores = {0.5F, std::numeric_limits<float>::quiet_NaN()};
  }

  std::vector<nlohmann::json> lines() const {
    std::vector<nlohmann::json> lines;
    std::istringstream in(read_file(folder_.path() / "quarantine.jsonl"));
    for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  TemporaryFolder folder_;
  std::optional<SampleStore> store_;
  Batch batch_;
  StepMetrics metrics_;
};

TEST_F(QuarantineTest, WritesEveryRowOfAStep) {
  Quarantine quarantine(folder_.path(), 0, 0, 0.5);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "quarantine.jsonl")) << "nothing to say";
  quarantine.add(*store_, batch_, 9, metrics_);
  EXPECT_EQ(quarantine.num_skipped(), 1);
  const auto written = lines();
  ASSERT_EQ(written.size(), 2u);
  EXPECT_EQ(written[0]["step"], 9);
  EXPECT_EQ(written[0]["reason"], "the loss is nan");
  EXPECT_EQ(written[0]["event"], 4);
  EXPECT_EQ(written[0]["row"], store_->rows()[4]);
  EXPECT_EQ(written[0]["user"], store_->user_id(store_->users()[4]));
  EXPECT_EQ(written[0]["document"], store_->document_id(store_->documents()[4]));
  EXPECT_EQ(written[0]["labels"][store_->schema().labels[0]], store_->labels(0)[4]);
  EXPECT_EQ(written[0]["score"], 0.5);
  EXPECT_EQ(written[1]["event"], 2);
  EXPECT_TRUE(written[1]["score"].is_null());
}

TEST_F(QuarantineTest, StopsWhereTheShareIsExceededAndNamesRows) {
  Quarantine quarantine(folder_.path(), 0, 0, 0.02);
  quarantine.add(*store_, batch_, 1, metrics_);
  quarantine.add(*store_, batch_, 2, metrics_);
  quarantine.add(*store_, batch_, 150, metrics_);
  const std::string message =
      message_of<DataError>([&] { quarantine.add(*store_, batch_, 199, metrics_); });
  const std::string row = fmt::format(
      "the loss is nan: row {} (user '{}', document '{}'). The rows are in ", store_->rows()[2],
      store_->user_id(store_->users()[2]), store_->document_id(store_->documents()[2]));
  EXPECT_TRUE(
      message.starts_with("[train] 4 of 199 steps were skipped, more than "
                          "train.max_skipped_share = 0.02 allows"))
      << message;
  EXPECT_NE(message.find(row), std::string::npos) << message << " lacks " << row;
  EXPECT_EQ(lines().size(), 8u) << "the last one too";
}

TEST_F(QuarantineTest, GoesOnFromACheckpoint) {
  {
    Quarantine quarantine(folder_.path(), 0, 0, 1);
    for (int64_t step : {3, 5, 7}) quarantine.add(*store_, batch_, step, metrics_);
  }
  Quarantine resumed(folder_.path(), 5, 2, 1);
  EXPECT_EQ(resumed.num_skipped(), 2);
  EXPECT_EQ(lines().size(), 4u);
}

TEST(JsonLines, DropsWhatIsTornOrBeyondTheStep) {
  TemporaryFolder folder;
  const auto file = folder.path() / "lines";
  EXPECT_NO_THROW(drop_lines_after(file, 1));
  append_lines(file, "{\"step\": 1}\n{\"step\": 2}\n");
  append_lines(file, "{\"step\": 1, \"x\": 7}\n{\"step\": 1, \"x");
  drop_lines_after(file, 1);
  EXPECT_EQ(read_file(file), "{\"step\": 1}\n{\"step\": 1, \"x\": 7}\n");
  EXPECT_EQ(message_of<DataError>([] { append_lines("/dev/full", "x\n"); }),
            "[files] cannot write /dev/full: No space left on device");
}

}  // namespace
}  // namespace lemur
