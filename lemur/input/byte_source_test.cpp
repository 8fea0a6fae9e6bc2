#include "lemur/input/byte_source.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "lemur/input/input_testing.h"

namespace lemur {
namespace {

std::string some_text(size_t lines) {
  std::string text;
  for (size_t i = 0; i < lines; ++i) text += "u" + std::to_string(i * 7919 % 1000) + ",d,1\n";
  return text;
}

/// Reads the whole file, `step` bytes at a time.
std::string read_bytes(const std::filesystem::path& file, size_t step = 1000) {
  const auto source = open_bytes(file);
  std::string all, block(step, '\0');
  while (true) {
    const size_t got = source->read(block.data(), step);
    all.append(block, 0, got);
    if (got < step) return all;
  }
}

class ByteSourceTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& bytes) {
    return write_file(folder_.path() / name, bytes);
  }

  /// Expects of a file an error or `text`; returns whether it was an error.
  bool expect_refused_or(const std::string& name, const std::string& bytes, const std::string& text,
                         const std::string& what) {
    const auto file = write(name, bytes);
    try {
      EXPECT_EQ(read_bytes(file), text) << what;
      return false;
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find(name + ": "), std::string::npos) << error.what();
      return true;
    }
  }

  void flip_bits(const std::string& name, const std::string& packed, const std::string& text) {
    std::mt19937 random(7);
    int refused = 0;
    for (int i = 0; i < 1000; ++i) {
      std::string bytes = packed;
      const size_t bit = std::uniform_int_distribution<size_t>(0, 8 * bytes.size() - 1)(random);
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      refused += expect_refused_or(name, bytes, text, "bit " + std::to_string(bit)) ? 1 : 0;
    }
    EXPECT_GT(refused, 800);  // what stays are flips of a time or a name
  }

  TemporaryFolder folder_;
};

TEST_F(ByteSourceTest, ReadsPlainAndPackedFilesInAnySteps) {
  const std::string text = some_text(20000);
  for (const auto& [name, bytes] : {std::pair<std::string, std::string>{"a.csv", text},
                                    {"a.csv.gz", gzip(text)},
                                    {"a.csv.zst", zstd(text)}})
    for (const size_t step : {1, 31, 4096, 1 << 20})
      EXPECT_EQ(read_bytes(write(name, bytes), step), text) << name << " by " << step;
}

TEST_F(ByteSourceTest, ReadsTextsThatPackToLittle) {
  const std::string text(3'000'000, 'a');
  EXPECT_EQ(read_bytes(write("a.gz", gzip(text)), 7777), text);
  EXPECT_EQ(read_bytes(write("a.zst", zstd(text)), 7777), text);
}

TEST_F(ByteSourceTest, ReadsMembersAndFramesOneAfterAnother) {
  EXPECT_EQ(read_bytes(write("a.gz", gzip("ab") + gzip("") + gzip("cd"))), "abcd");
  EXPECT_EQ(read_bytes(write("a.zst", zstd("ab") + zstd("") + zstd("cd"))), "abcd");
}

TEST_F(ByteSourceTest, RefusesEveryTruncation) {
  const std::string text = some_text(60);
  using Pack = std::string (*)(const std::string&);
  for (const auto& [name, pack] :
       {std::pair<std::string, Pack>{"cut.gz", gzip}, {"cut.zst", zstd}}) {
    const std::string packed = pack(text);
    for (size_t length = 0; length < packed.size(); ++length) {
      const auto file = write(name, packed.substr(0, length));
      expect_error<DataError>([&] { read_bytes(file); },
                              name + ": truncated after " + std::to_string(length) + " bytes");
    }
    // In the second member as in the first; but between the two nothing tells that one is lacking.
    for (size_t length = packed.size() + 1; length < 2 * packed.size(); ++length) {
      const auto file = write(name, (packed + packed).substr(0, length));
      expect_error<DataError>([&] { read_bytes(file); }, ": truncated after");
    }
  }
}

TEST_F(ByteSourceTest, FlippedBitsAreAnErrorOrChangeNothing) {
  const std::string text = some_text(60);
  flip_bits("flipped.gz", gzip(text), text);
  flip_bits("flipped.zst", zstd(text), text);
}

TEST_F(ByteSourceTest, NamesWhatIsWrong) {
  std::string packed = gzip(some_text(50));
  packed[packed.size() - 6] ^= 1;
  expect_error<DataError>([&] { read_bytes(write("a.gz", packed)); }, "a.gz: the checksum");
  packed = zstd(some_text(50));
  packed.back() ^= 1;
  expect_error<DataError>([&] { read_bytes(write("a.zst", packed)); }, "a.zst: the checksum");
  expect_error<DataError>([&] { read_bytes(write("a.gz", gzip("a") + "rest")); },
                          "bytes behind the end of the .gz");
  expect_error<DataError>([&] { read_bytes(write("a.zst", zstd("a") + "rest")); },
                          "bytes behind the end of the .zst");
  expect_error<DataError>([&] { read_bytes(write("a.gz", "plain text")); }, "a.gz: no .gz");
  expect_error<DataError>([&] { read_bytes(write("a.zst", "plain text")); }, "a.zst: no .zst");
  expect_error<DataError>([&] { read_bytes(folder_.path() / "none.csv"); },
                          "none.csv: No such file");
  expect_error<DataError>([&] { read_bytes(folder_.path()); }, "Is a directory");
}

}  // namespace
}  // namespace lemur
