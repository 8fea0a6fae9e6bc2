#include "lemur/train/tensorboard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <sstream>
#include <vector>

#include "lemur/base/error.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

template <typename T>
T fixed_at(const std::string& bytes, size_t position) {
  T value;
  if (position + sizeof(T) > bytes.size()) throw std::out_of_range("cut short");
  std::memcpy(&value, bytes.data() + position, sizeof(T));
  return value;
}

std::string slurp(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

/// CRC-32C bit by bit, then TFRecord's mask.
uint32_t slow_masked_crc(const std::string& bytes) {
  uint64_t crc = 0xffffffff;
  for (unsigned char byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc % 2 == 1 ? crc / 2 ^ 0x82f63b78 : crc / 2;
  }
  crc ^= 0xffffffff;
  uint64_t rotated = (crc >> 15 | crc << 17) & 0xffffffff;
  return static_cast<uint32_t>((rotated + 0xa282ead8) % (1ULL << 32));
}

/// Cuts a TFRecord file into records and checks both checksums of each.
std::vector<std::string> records_of(const fs::path& path) {
  const std::string bytes = slurp(path);
  std::vector<std::string> records;
  for (size_t at = 0; at < bytes.size();) {
    auto length = fixed_at<uint64_t>(bytes, at);
    EXPECT_EQ(fixed_at<uint32_t>(bytes, at + 8), slow_masked_crc(bytes.substr(at, 8)));
    records.push_back(bytes.substr(at + 12, length));
    EXPECT_EQ(fixed_at<uint32_t>(bytes, at + 12 + length), slow_masked_crc(records.back()));
    at += length + 16;
  }
  return records;
}

/// The fields of a protobuf message: the raw bytes of each.
std::map<int, std::string> fields_of(const std::string& message) {
  std::map<int, std::string> fields;
  size_t at = 0;
  auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      auto byte = static_cast<uint8_t>(message.at(at++));
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.size()) {
    uint64_t key = varint();
    size_t size = 0;
    std::string value;
    if (key % 8 == 0) {
      uint64_t number = varint();
      value.assign(reinterpret_cast<const char*>(&number), sizeof(number));
    } else {
      size = key % 8 == 1 ? 8 : key % 8 == 5 ? 4 : varint();
      value = message.substr(at, size);
      at += size;
    }
    EXPECT_TRUE(fields.emplace(static_cast<int>(key / 8), value).second);
  }
  return fields;
}

class TensorBoardWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / "lemur_tensorboard_test";
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<fs::path> files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
  }

  fs::path folder_;
};

TEST_F(TensorBoardWriterTest, ComputesCrc32cAsPublished) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
}

TEST_F(TensorBoardWriterTest, BeginsWithTheFormatsVersion) {
  TensorBoardWriter writer(folder_);
  ASSERT_EQ(files().size(), 1U);
  EXPECT_TRUE(files()[0].filename().string().starts_with("events.out.tfevents."));
  auto records = records_of(files()[0]);
  ASSERT_EQ(records.size(), 1U);
  auto event = fields_of(records[0]);
  EXPECT_EQ(event.at(3), "brain.Event:2");
  EXPECT_GT(fixed_at<double>(event.at(1), 0), 1e9);
}

TEST_F(TensorBoardWriterTest, WritesPointsThatAnIndependentReaderUnderstands) {
  struct Point {
    std::string tag;
    double value;
    int64_t step;
    double wall_time;
  };
  const Point points[] = {{"train/loss", 0.6931, 0, 1.5e9},
                          {"valid/auc", 0.75, 127, 1.5e9 + 0.25},
                          {std::string(300, 'x'), -1e-30, 128, 3},
                          {"", std::nan(""), 1LL << 40, 0}};
  TensorBoardWriter writer(folder_);
  for (const auto& point : points)
    writer.scalar(point.tag, point.value, point.step, point.wall_time);
  writer.flush();
  auto records = records_of(files().at(0));
  ASSERT_EQ(records.size(), 1 + std::size(points));
  for (size_t i = 0; i < std::size(points); ++i) {
    auto event = fields_of(records[i + 1]);
    EXPECT_EQ(fixed_at<double>(event.at(1), 0), points[i].wall_time);
    EXPECT_EQ(fixed_at<int64_t>(event.at(2), 0), points[i].step);
    auto value = fields_of(fields_of(event.at(5)).at(1));
    EXPECT_EQ(value.at(1), points[i].tag);
    auto stored = fixed_at<float>(value.at(2), 0);
    if (std::isnan(points[i].value))
      EXPECT_TRUE(std::isnan(stored));
    else
      EXPECT_EQ(stored, static_cast<float>(points[i].value));
  }
}

TEST_F(TensorBoardWriterTest, OpensANewFileEachTimeAfterTheEarlierOnes) {
  { TensorBoardWriter(folder_).scalar("a", 1, 1, 1); }
  const auto first = files().at(0);
  const std::string content = slurp(first);
  TensorBoardWriter second(folder_);
  TensorBoardWriter third(folder_);
  ASSERT_EQ(files().size(), 3U);
  EXPECT_EQ(files()[0], first);
  EXPECT_EQ(slurp(first), content);
}

TEST_F(TensorBoardWriterTest, RefusesAFolderThatCannotBe) {
  std::ofstream(folder_.string()) << "a file";
  try {
    TensorBoardWriter writer(folder_);
    FAIL() << "accepted a file as folder";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("[tensorboard] cannot create " + folder_.string()),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace lemur
