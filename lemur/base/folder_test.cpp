#include "lemur/base/folder.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "lemur/base/safetensors.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

class FolderTest : public ::testing::Test {
 protected:
  /// Publishes a folder with the files "a" and "b".
  void publish(const std::string& a, const std::string& b) {
    FolderWriter writer(folder());
    std::ofstream(writer.file("a"), std::ios::binary) << a;
    std::ofstream(writer.file("b"), std::ios::binary) << b;
    writer.publish({{"format", "test"}, {"version", 7}});
  }

  fs::path folder() const { return root_ / "deep" / "folder"; }

  size_t entries_beside() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder().parent_path()), {}));
  }

  TemporaryFolder scratch_;
  fs::path root_ = scratch_.path();
};

TEST_F(FolderTest, PublishesFilesWithTheirSizesAndChecksums) {
  publish("hello", std::string("\0\1\2", 3));
  nlohmann::json manifest = open_folder(folder(), /*verify=*/true);
  EXPECT_EQ(manifest.at("format"), "test");
  EXPECT_EQ(manifest.at("version"), 7);
  EXPECT_EQ(manifest.at("files").size(), 2u);
  EXPECT_EQ(manifest.at("files").at("a").at("size_bytes"), 5);
  // XXH3-64 of "hello", from the reference program.
  EXPECT_EQ(manifest.at("files").at("a").at("xxh3"), "9555e8555c62dcfd");
  EXPECT_EQ(read_file(folder() / "b"), std::string("\0\1\2", 3));
  EXPECT_EQ(entries_beside(), 1u);
}

TEST_F(FolderTest, PublishesFilesOfInnerFoldersByTheirPaths) {
  FolderWriter writer(folder());
  fs::create_directory(writer.file("inner"));
  std::ofstream(writer.file("inner/a")) << "hello";
  writer.publish(nlohmann::json::object());
  nlohmann::json manifest = open_folder(folder(), /*verify=*/true);
  EXPECT_EQ(manifest.at("files").size(), 1u);
  EXPECT_EQ(manifest.at("files").at("inner/a").at("xxh3"), "9555e8555c62dcfd");
}

TEST_F(FolderTest, TakesAPathThatEndsInASlash) {
  FolderWriter writer(root_ / "slashed" / "");
  writer.publish(nlohmann::json::object());
  EXPECT_NO_THROW(open_folder(root_ / "slashed"));
}

TEST_F(FolderTest, ReplacesAnOlderFolderWhole) {
  publish("old", "old");
  {
    FolderWriter writer(folder());
    std::ofstream(writer.file("c")) << "new";
    EXPECT_EQ(read_file(folder() / "a"), "old");
    writer.publish(nlohmann::json::object());
  }
  open_folder(folder(), /*verify=*/true);
  EXPECT_FALSE(fs::exists(folder() / "a"));
  EXPECT_EQ(read_file(folder() / "c"), "new");
  EXPECT_EQ(entries_beside(), 1u);
}

TEST_F(FolderTest, HasAWholeFolderOfItsNameWhileItIsReplaced) {
  publish("old", "old");
  std::atomic<bool> is_over = false;
  std::atomic<int64_t> absences = 0;
  std::thread reader([&] {
    while (!is_over) absences += fs::exists(folder() / "manifest.json") ? 0 : 1;
  });
  for (int i = 0; i < 300; ++i) publish("new", "new");
  is_over = true;
  reader.join();
  EXPECT_EQ(absences, 0);
  EXPECT_EQ(entries_beside(), 1u);
}

/// Lets this process write no file of more than some bytes: a disk that is full, for a test.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : before_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &limit_);
    const rlimit full{bytes, limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &full);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &limit_);
    std::signal(SIGXFSZ, before_);
  }

 private:
  void (*before_)(int);
  rlimit limit_;
};

TEST_F(FolderTest, KeepsTheOlderFolderWhereTheDiskIsFull) {
  publish("old", "old");
  std::string message;
  {
    FullDisk full(64);  // the manifest is longer
    message = message_of<DataError>([&] { publish("new", "new"); });
  }
  EXPECT_TRUE(message.starts_with("[files] cannot write " + folder().string() + ".tmp-"))
      << message;
  EXPECT_TRUE(message.ends_with("manifest.json: File too large")) << message;
  open_folder(folder(), /*verify=*/true);
  EXPECT_EQ(read_file(folder() / "a"), "old");
  EXPECT_EQ(entries_beside(), 1u);
}

TEST_F(FolderTest, KeepsTheOlderFileWhereTheDiskIsFull) {
  write_file_atomically(root_ / "file", "old");
  std::string message;
  {
    FullDisk full(64);
    message = message_of<DataError>(
        [&] { write_file_atomically(root_ / "file", std::string(100000, 'x')); });
  }
  EXPECT_TRUE(message.ends_with(": File too large")) << message;
  EXPECT_EQ(read_file(root_ / "file"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), {}), 1);
}

TEST_F(FolderTest, SaysWhyAFileCannotBeWritten) {
  const std::string bytes(100000, 'x');
  EXPECT_EQ(message_of<DataError>([&] {
              write_safetensors("/dev/full", {{"x", {"U8", {std::ssize(bytes)}, bytes}}});
            }),
            "[files] cannot write /dev/full: No space left on device");
}

TEST_F(FolderTest, TellsBothVersions) {
  const nlohmann::json manifest = {{"format", "lemur test"}, {"version", 3}};
  EXPECT_NO_THROW(check_format("here", manifest, "lemur test", 3));
  EXPECT_EQ(message_of<DataError>([&] { check_format("here", manifest, "lemur test", 4); }),
            "[files] here is a lemur test of version 3; this program reads version 4");
  EXPECT_EQ(message_of<DataError>([&] { check_format("here", manifest, "lemur run", 3); }),
            "[files] here is no lemur run: its manifest says \"lemur test\"");
  for (const char* other : {"{}", "[]", R"({"format": 7})"})
    EXPECT_NE(message_of<DataError>([&] {
                check_format("here", nlohmann::json::parse(other), "lemur test", 3);
              }).find("[files] here is no lemur test"),
              std::string::npos)
        << other;
}

TEST_F(FolderTest, LeavesNothingBehindWhenNothingIsPublished) {
  {
    FolderWriter writer(folder());
    std::ofstream(writer.file("a")) << "half";
    EXPECT_EQ(entries_beside(), 1u);
  }
  EXPECT_FALSE(fs::exists(folder()));
  EXPECT_EQ(entries_beside(), 0u);

  publish("old", "old");
  {
    FolderWriter writer(folder());
    std::ofstream(writer.file("a")) << "half";
  }
  EXPECT_EQ(read_file(folder() / "a"), "old");
  EXPECT_EQ(entries_beside(), 1u);
}

TEST_F(FolderTest, CannotBeWrittenBelowAFile) {
  std::ofstream(root_ / "file") << "x";
  EXPECT_NE(message_of<DataError>([&] {
              FolderWriter writer(root_ / "file" / "folder");
            }).find("[files] cannot create "),
            std::string::npos);
}

TEST_F(FolderTest, NamesAMissingManifest) {
  publish("hello", "you");
  fs::remove(folder() / "manifest.json");
  EXPECT_EQ(
      message_of<DataError>([&] { open_folder(folder()); }),
      fmt::format("[files] {} has no manifest.json: nothing complete is there", folder().string()));
}

TEST_F(FolderTest, NamesADamagedManifest) {
  publish("hello", "you");
  for (const char* content : {"{\"files\": ", "{}", "[]", "", "{\"files\": {\"a\": {}}}",
                              "{\"files\": {\"a\": {\"size_bytes\": \"five\"}}}"}) {
    write_file_atomically(folder() / "manifest.json", content);
    EXPECT_NE(
        message_of<DataError>([&] { open_folder(folder()); }).find("manifest.json is damaged: "),
        std::string::npos)
        << content;
  }
}

TEST_F(FolderTest, NamesAFileThatIsMissingOrOfTheWrongSize) {
  publish("hello", "you");
  std::ofstream(folder() / "b", std::ios::app) << "!";
  EXPECT_EQ(message_of<DataError>([&] { open_folder(folder()); }),
            fmt::format("[files] {} has 4 bytes; its manifest says 3", (folder() / "b").string()));
  fs::remove(folder() / "a");
  EXPECT_EQ(message_of<DataError>([&] { open_folder(folder()); }),
            fmt::format("[files] {} is missing", (folder() / "a").string()));
}

TEST_F(FolderTest, FindsAChangedByteOnlyWhenItVerifies) {
  publish("hello", "you");
  std::ofstream(folder() / "a") << "hellO";
  EXPECT_NO_THROW(open_folder(folder()));
  const std::string damaged = fmt::format(
      "[files] {} is damaged: its checksum differs from the manifest's", (folder() / "a").string());
  EXPECT_EQ(message_of<DataError>([&] { open_folder(folder(), /*verify=*/true); }), damaged);
  const nlohmann::json manifest = open_folder(folder());
  EXPECT_NO_THROW(verify_file(folder(), manifest, "b"));
  EXPECT_EQ(message_of<DataError>([&] { verify_file(folder(), manifest, "a"); }), damaged);
  EXPECT_EQ(message_of<DataError>([&] { verify_file(folder(), manifest, "c"); }),
            fmt::format("[files] {} does not name c", (folder() / "manifest.json").string()));
}

TEST_F(FolderTest, MapsFilesOfAnySize) {
  for (size_t size : {0, 1, 31, 32, 33, 100000}) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7);
    std::ofstream(root_ / "file", std::ios::binary) << bytes;
    MappedFile first(root_ / "file");
    MappedFile mapped(std::move(first));
    EXPECT_EQ(mapped.bytes(), bytes);
    EXPECT_EQ(mapped.as<uint8_t>().size(), size);
    if (size % 4 != 0) {
      EXPECT_EQ(message_of<DataError>([&] { mapped.as<uint32_t>(); }),
                fmt::format("[files] {} has {} bytes, no multiple of 4", (root_ / "file").string(),
                            size));
    }
  }
  EXPECT_NE(message_of<DataError>([&] {
              MappedFile mapped(root_ / "none");
            }).find("[files] cannot open "),
            std::string::npos);
}

TEST_F(FolderTest, KeepsAMappingAfterMoveAssignment) {
  std::ofstream(root_ / "one") << "one";
  std::ofstream(root_ / "two") << "two";
  MappedFile mapped(root_ / "one");
  mapped = MappedFile(root_ / "two");
  EXPECT_EQ(mapped.bytes(), "two");
}

TEST_F(FolderTest, ReplacesAFileAtomically) {
  fs::path file = root_ / "file";
  write_file_atomically(file, "old");
  MappedFile old(file);
  write_file_atomically(file, std::string("n\0w", 3));
  EXPECT_EQ(old.bytes(), "old");  // who has it open keeps the old one
  EXPECT_EQ(read_file(file), std::string("n\0w", 3));
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), {}), 1);
}

TEST_F(FolderTest, SaysWhatItCannotReadWriteOrFlush) {
  std::string nowhere = (root_ / "nowhere" / "file").string();
  EXPECT_EQ(message_of<DataError>([&] { read_file(nowhere); }), "[files] cannot read " + nowhere);
  EXPECT_NE(message_of<DataError>([&] {
              write_file_atomically(nowhere, "x");
            }).find("[files] cannot write "),
            std::string::npos);
  EXPECT_EQ(message_of<DataError>([&] { sync_path(nowhere); }),
            "[files] cannot flush " + nowhere + " to disk: No such file or directory");
}

}  // namespace
}  // namespace lemur
