#include "lemur/base/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "lemur/base/error.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

class SafetensorsTest : public ::testing::Test {
 protected:
  void SetUp() override { path_ = fs::path(::testing::TempDir()) / "lemur_test.safetensors"; }
  void TearDown() override { fs::remove(path_); }

  /// Writes a file of this header and so many bytes of data.
  void write_raw(const std::string& header, size_t data_bytes) const {
    std::ofstream out(path_, std::ios::binary);
    uint64_t size = header.size();
    out.write(reinterpret_cast<const char*>(&size), sizeof(size));
    out << header << std::string(data_bytes, 'x');
  }

  /// Expects that the file is refused with a message that names the file and holds `text`.
  void expect_refused(const std::string& text) const {
    try {
      SafetensorsFile file(path_);
      ADD_FAILURE() << "accepted; expected: " << text;
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(path_.string()), std::string::npos) << error.what();
    }
  }

  fs::path path_;
};

std::string bytes_of(size_t n) {
  std::string bytes(n, '\0');
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<char>(i * 37 + 11);
  return bytes;
}

TEST_F(SafetensorsTest, GivesBackWhatWasWritten) {
  for (int64_t n : {0, 1, 31, 32, 33}) {
    const std::string bytes = bytes_of(static_cast<size_t>(n) * 3 * 4);
    const std::string single = bytes_of(8), odd = bytes_of(static_cast<size_t>(n));
    write_safetensors(path_,
                      {{"a.weight", {"F32", {n, 3}, bytes}},
                       {"count \"x\"", {"I64", {}, single}},
                       {"mask", {"U8", {n}, odd}}},
                      {{"format", "pt"}});
    SafetensorsFile file(path_);
    ASSERT_EQ(file.entries().size(), 3U);
    EXPECT_EQ(file.entries().at("a.weight").data, bytes);
    EXPECT_EQ(file.entries().at("a.weight").dtype, "F32");
    EXPECT_EQ(file.entries().at("a.weight").shape, (std::vector<int64_t>{n, 3}));
    EXPECT_EQ(file.entries().at("count \"x\"").data, single);
    EXPECT_TRUE(file.entries().at("count \"x\"").shape.empty());
    EXPECT_EQ(file.entries().at("mask").data, odd);
    EXPECT_EQ(file.metadata().at("format"), "pt");
  }
}

TEST_F(SafetensorsTest, WritesTheDocumentedBytes) {
  const std::string one(4, '\1'), two(8, '\2');
  write_safetensors(path_, {{"a", {"F32", {1}, one}}, {"b", {"F64", {1}, two}}});
  const std::string header = R"({"a":{"data_offsets":[8,12],"dtype":"F32","shape":[1]},)"
                             R"("b":{"data_offsets":[0,8],"dtype":"F64","shape":[1]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  std::string expected(8, '\0');
  expected[0] = static_cast<char>(padded.size());
  EXPECT_EQ(read_file(path_), expected + padded + two + one);
}

TEST_F(SafetensorsTest, KeepsNoTensorsAtAll) {
  write_safetensors(path_, {});
  EXPECT_TRUE(SafetensorsFile(path_).entries().empty());
}

TEST_F(SafetensorsTest, RefusesToWriteWhatDoesNotFit) {
  auto expect_refused = [&](const std::string& name, const TensorEntry& entry, const char* text) {
    try {
      write_safetensors(path_, {{name, entry}});
      ADD_FAILURE() << "accepted; expected: " << text;
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
  };
  expect_refused("w", {"F32", {2}, "1234567"}, "tensor 'w' has 7 bytes, which do not fit F32 [2]");
  expect_refused("w", {"F33", {2}, "12345678"}, "tensor 'w' has unknown type 'F33'");
  expect_refused("w", {"F32", {-1}, ""}, "do not fit F32 [-1]");
  expect_refused("__metadata__", {"U8", {1}, "1"}, "no tensor can be named '__metadata__'");
  expect_refused("\xff", {"U8", {1}, "1"}, "no UTF-8");
}

TEST_F(SafetensorsTest, RefusesAFolderThatIsNotThere) {
  EXPECT_THROW(write_safetensors(path_ / "absent" / "file", {}), DataError);
  expect_refused("cannot open");
}

TEST_F(SafetensorsTest, RefusesEveryTruncation) {
  write_safetensors(path_, {{"a", {"F32", {2}, "12345678"}}, {"b", {"U8", {0}, ""}}});
  const auto whole = fs::file_size(path_);
  for (uintmax_t size = 0; size < whole; ++size) {
    fs::resize_file(path_, size);
    EXPECT_THROW(SafetensorsFile{path_}, DataError) << size;
    write_safetensors(path_, {{"a", {"F32", {2}, "12345678"}}, {"b", {"U8", {0}, ""}}});
  }
  fs::resize_file(path_, whole + 1);
  expect_refused("1 bytes follow the last tensor");
}

TEST_F(SafetensorsTest, RefusesHeadersThatLie) {
  auto tensor = [](const char* shape, const char* offsets, const char* dtype = "\"F32\"") {
    return fmt::format(R"({{"dtype":{},"shape":{},"data_offsets":{}}})", dtype, shape, offsets);
  };
  struct Case {
    std::string header, message;
    size_t data_bytes = 8;
  };
  const Case cases[] = {
      {"{", "the header is malformed"},
      {"[]", "the header is no JSON object"},
      {R"({"a":7})", "tensor 'a' is malformed"},
      {R"({"a":{"dtype":"F32","shape":[2]}})", "tensor 'a' is malformed"},
      {R"({"__metadata__":{"k":1}})", "is malformed"},
      {"{\"a\":" + tensor("[2]", "[0,8]", "\"F33\"") + "}", "tensor 'a' has unknown type 'F33'"},
      {"{\"a\":" + tensor("[2]", "[0,8]", "3") + "}", "tensor 'a' is malformed"},
      {"{\"a\":" + tensor("[3]", "[0,8]") + "}", "tensor 'a' has 8 bytes, which do not fit"},
      {"{\"a\":" + tensor("2", "[0,8]") + "}", "no list of natural numbers"},
      {"{\"a\":" + tensor("[-2]", "[0,8]") + "}", "no list of natural numbers"},
      {"{\"a\":" + tensor("[2.0]", "[0,8]") + "}", "no list of natural numbers"},
      {"{\"a\":" + tensor("[4611686018427387904,4]", "[0,0]") + "}", "do not fit", 0},
      {"{\"a\":" + tensor("[18446744073709551615]", "[0,8]") + "}", "do not fit"},
      {"{\"a\":" + tensor("[2]", "[0,8,9]") + "}", "has 3 data_offsets"},
      {"{\"a\":" + tensor("[2]", "[8,0]") + "}", "tensor 'a' lies at bytes 8 to 0 of 8"},
      {"{\"a\":" + tensor("[2]", "[4,12]") + "}", "tensor 'a' lies at bytes 4 to 12 of 8"},
      {"{\"a\":" + tensor("[1]", "[0,4]") + ",\"b\":" + tensor("[2]", "[0,8]") + "}",
       "tensor 'b' begins at byte 0; expected 4"},
      {"{\"a\":" + tensor("[1]", "[4,8]") + "}", "tensor 'a' begins at byte 4; expected 0"},
      {"{\"a\":" + tensor("[1]", "[0,4]") + "}", "4 bytes follow the last tensor"}};
  for (const auto& item : cases) {
    write_raw(item.header, item.data_bytes);
    SCOPED_TRACE(item.header);
    expect_refused(item.message);
  }
}

TEST_F(SafetensorsTest, RefusesAHeaderLongerThanTheFile) {
  std::ofstream(path_, std::ios::binary) << std::string(8, '\x7f') << "{}";
  expect_refused("but 2 follow");
}

}  // namespace
}  // namespace lemur
