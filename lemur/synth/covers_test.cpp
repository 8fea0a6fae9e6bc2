#include "lemur/synth/covers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "lemur/base/folder.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

std::vector<uint8_t> pixels(uint64_t seed, const Cover& cover) {
  Picture picture = draw_cover(seed, cover);
  return {picture.pixels().begin(), picture.pixels().end()};
}

TEST(Look, IsAnotherForEveryTopic) {
  std::vector<Look> looks;
  for (uint32_t topic = 0; topic < 896; ++topic) {
    Look look = look_of(topic);
    EXPECT_EQ(std::find(looks.begin(), looks.end(), look), looks.end()) << topic;
    EXPECT_NE(look.body, look.trim);
    EXPECT_NE(look.shapes[0], look.shapes[1]);
    looks.push_back(look);
  }
  look_of(65534);
}

TEST(Cover, IsTheSameForTheSameDocumentAndAnotherForAnotherOne) {
  EXPECT_EQ(pixels(1, {7, 3}), pixels(1, {7, 3}));
  EXPECT_NE(pixels(1, {7, 3}), pixels(2, {7, 3}));
  EXPECT_NE(pixels(1, {7, 3}), pixels(1, {8, 3}));
  EXPECT_NE(pixels(1, {7, 3}), pixels(1, {7, 4}));
}

TEST(Cover, HasOneOfThreeSizes) {
  std::array<int, 3> counts{};
  for (uint32_t document = 0; document < 300; ++document) {
    Picture picture = draw_cover(1, {document, 5});
    EXPECT_EQ(picture.width() + picture.height(), 224);
    ++counts[static_cast<size_t>(picture.width() - 96) / 16];
  }
  for (int count : counts) EXPECT_NEAR(count, 100, 35);
}

constexpr size_t kHueBins = 24;
using HueShares = std::array<double, kHueBins + 1>;

/// Returns the hue of a colour as a bin of the circle; kHueBins for what is nearly grey.
size_t hue_bin(std::span<const uint8_t> colour) {
  double red = colour[0], green = colour[1], blue = colour[2];
  double most = std::max({red, green, blue}), range = most - std::min({red, green, blue});
  if (range < 70) return kHueBins;
  double sixth = 4 + (red - green) / range;
  if (most == green) sixth = 2 + (blue - red) / range;
  if (most == red) sixth = 6 + (green - blue) / range;
  return static_cast<size_t>(sixth / 6 * kHueBins) % kHueBins;
}

/// Returns how much of a cover, resized to 64 x 64, has each hue: square roots of shares.
HueShares hue_shares(const Picture& picture) {
  HueShares shares{};
  for (int64_t y = 0; y < 64; ++y)
    for (int64_t x = 0; x < 64; ++x) {
      int64_t row = y * picture.height() / 64, column = x * picture.width() / 64;
      auto at = static_cast<size_t>(3 * (row * picture.width() + column));
      shares[hue_bin(picture.pixels().subspan(at, 3))] += 1.0 / (64 * 64);
    }
  for (double& share : shares) share = std::sqrt(share);
  return shares;
}

size_t nearest(const std::vector<HueShares>& means, const HueShares& seen) {
  auto distance = [&](const HueShares& mean) {
    double sum = 0;
    for (size_t bin = 0; bin < seen.size(); ++bin)
      sum += (seen[bin] - mean[bin]) * (seen[bin] - mean[bin]);
    return sum;
  };
  auto is_nearer = [&](auto& a, auto& b) { return distance(a) < distance(b); };
  return static_cast<size_t>(std::min_element(means.begin(), means.end(), is_nearer) -
                             means.begin());
}

TEST(Cover, ResemblesOthersOfItsTopicInItsHues) {
  constexpr uint32_t kTopics = 64, kLearned = 60, kAsked = 20;
  std::vector<HueShares> means(kTopics);
  uint32_t document = 0;
  for (uint32_t topic = 0; topic < kTopics; ++topic)
    for (uint32_t i = 0; i < kLearned; ++i) {
      HueShares seen = hue_shares(draw_cover(1, {document++, topic}));
      for (size_t bin = 0; bin < seen.size(); ++bin) means[topic][bin] += seen[bin] / kLearned;
    }
  int right = 0;
  for (uint32_t topic = 0; topic < kTopics; ++topic)
    for (uint32_t i = 0; i < kAsked; ++i)
      right += nearest(means, hue_shares(draw_cover(1, {document++, topic}))) == topic;
  double accuracy = static_cast<double>(right) / (kTopics * kAsked);
  // Hues alone, without shapes, textures and places, tell most of the topics; by chance it would be
  // one in 64.
  EXPECT_GT(accuracy, 0.6);
  EXPECT_LT(accuracy, 0.9);
  RecordProperty("accuracy", fmt::format("{:.3f}", accuracy));
}

TEST(CoverPath, HasAFolderForEveryThousandDocuments) {
  EXPECT_EQ(cover_path(0), "covers/000/0.jpg");
  EXPECT_EQ(cover_path(12345), "covers/012/12345.jpg");
  EXPECT_EQ(cover_path(4294967295), "covers/4294967/4294967295.jpg");
}

TEST(WriteCovers, WritesTheSameFilesWithAnyNumberOfThreads) {
  std::vector<Cover> covers;
  for (uint32_t i = 0; i < 33; ++i) covers.push_back({990 + i, i});
  TemporaryFolder one;
  write_covers(one.path(), 1, covers, 1);
  for (int64_t threads : {0, 2, 31, 64}) {
    TemporaryFolder many;
    write_covers(many.path(), 1, covers, threads);
    for (const Cover& cover : covers) {
      std::string path = cover_path(cover.document);
      EXPECT_EQ(read_file(one.path() / path), read_file(many.path() / path)) << path;
      EXPECT_EQ(read_file(many.path() / path), to_jpeg(draw_cover(1, cover), 85));
    }
  }
  TemporaryFolder none;
  write_covers(none.path(), 1, {}, 2);
  EXPECT_TRUE(std::filesystem::is_empty(none.path()));
}

TEST(WriteCovers, NamesWhatCannotBeWritten) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "covers/000/7.jpg");
  std::vector<Cover> covers = {{6, 1}, {7, 1}, {8, 1}};
  EXPECT_EQ(message_of<DataError>([&] { write_covers(folder.path(), 1, covers, 2); }),
            "[covers] cannot write " + (folder.path() / "covers/000/7.jpg").string());
  TemporaryFolder other;
  write_file_atomically(other.path() / "covers", "a file");
  EXPECT_THROW(write_covers(other.path(), 1, covers, 2), DataError);
}

}  // namespace
}  // namespace lemur
