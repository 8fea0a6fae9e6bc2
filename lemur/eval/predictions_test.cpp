#include "lemur/eval/predictions.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"

namespace lemur {
namespace {
namespace fs = std::filesystem;

constexpr const char* kHeader = "row,request,user,document,label,weight,score\n";

class PredictionsFileTest : public testing::Test {
 protected:
  PredictionsFileTest() { fs::create_directory(folder_); }
  ~PredictionsFileTest() override { fs::remove_all(folder_); }

  size_t num_files() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_ = fs::path(testing::TempDir()) / fmt::format("predictions-{}", ::getpid());
  fs::path path_ = folder_ / "p.csv";
};

TEST_F(PredictionsFileTest, QuotesWhatNeedsIt) {
  PredictionsFile file(path_);
  file.add({0, "r1", "u1", "d1", 1, 1, 0.5F});
  file.add({17, "a,b", "say \"hi\"", "two\nlines", 0, 0.25F, 1e-9F});
  file.add({18, "", " padded", "plain words; ü", 0, 1, 0.1F});
  file.finish();
  EXPECT_EQ(read_file(path_), std::string(kHeader) +
                                  "0,r1,u1,d1,1,1,0.5\n"
                                  "17,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",0,0.25,"
                                  "9.99999972e-10\n"
                                  "18,\"\",\" padded\",plain words; ü,0,1,0.100000001\n");
}

TEST_F(PredictionsFileTest, KeepsEveryBitOfAScore) {
  std::mt19937_64 random(1);
  std::vector<float> scores = {0, 1, 0x1.fffffep-1F, 0x1p-149F};
  for (int i = 0; i < 1000; ++i) {
    auto bits = static_cast<uint32_t>(random() % 0x3f800000);  // all floats in [0, 1)
    float score;
    std::memcpy(&score, &bits, sizeof score);
    scores.push_back(score);
  }
  PredictionsFile file(path_);
  for (float score : scores) file.add({1, "r", "u", "d", 0, 1, score});
  file.finish();
  std::istringstream lines(read_file(path_));
  std::string line;
  std::getline(lines, line);
  for (float score : scores) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(std::strtof(line.c_str() + line.rfind(',') + 1, nullptr), score) << line;
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(PredictionsFileTest, AppearsOnlyWhenFinished) {
  write_file_atomically(path_, "older");
  {
    PredictionsFile file(path_);
    file.add({0, "r", "u", "d", 1, 1, 0.5F});
  }
  EXPECT_EQ(read_file(path_), "older");
  EXPECT_EQ(num_files(), 1U);
  PredictionsFile file(path_);
  file.finish();
  EXPECT_EQ(read_file(path_), kHeader);
  EXPECT_EQ(num_files(), 1U);
}

TEST_F(PredictionsFileTest, ReplacesWhatALinkPointsTo) {
  write_file_atomically(folder_ / "real.csv", "older");
  fs::create_symlink("real.csv", path_);
  PredictionsFile file(path_);
  file.finish();
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_EQ(read_file(folder_ / "real.csv"), kHeader);
}

TEST_F(PredictionsFileTest, RefusesWhereNoFileCanBe) {
  try {
    PredictionsFile file(folder_);
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(error.what(), fmt::format("[predictions] {} is no regular file", folder_.string()));
  }
  try {
    PredictionsFile file(folder_ / "missing" / "p.csv");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("[predictions] cannot create"), std::string::npos);
  }
}

}  // namespace
}  // namespace lemur
