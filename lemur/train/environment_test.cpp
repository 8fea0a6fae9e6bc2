#include "lemur/train/environment.h"

#include <gtest/gtest.h>

#include "lemur/base/folder.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

nlohmann::json entries_of(const std::filesystem::path& run) {
  return nlohmann::json::parse(read_file(run / "environment.json"));
}

TEST(Environment, EveryStartAppendsAnEntry) {
  TemporaryFolder folder;
  EXPECT_TRUE(note_environment(folder.path(), 0));
  EXPECT_TRUE(note_environment(folder.path(), 120));
  const auto entries = entries_of(folder.path());
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0]["step"], 0);
  EXPECT_EQ(entries[1]["step"], 120);
  EXPECT_LE(entries[0]["time"], entries[1]["time"]);
  EXPECT_EQ(entries[1]["lemur"], LEMUR_VERSION);
  EXPECT_GE(entries[1]["threads"], 1);
  EXPECT_GT(entries[1]["memory_bytes"], int64_t{1} << 20);
}

TEST(Environment, AFileThatIsNoArrayIsReplacedAndNamed) {
  TemporaryFolder folder;
  for (const char* damaged : {"[{\"step\": ", "{}"}) {
    write_file_atomically(folder.path() / "environment.json", damaged);
    EXPECT_FALSE(note_environment(folder.path(), 7));
    EXPECT_EQ(entries_of(folder.path()).size(), 1u);
  }
}

}  // namespace
}  // namespace lemur
