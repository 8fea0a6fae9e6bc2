#include "lemur/tables/row_file.h"

#include <cerrno>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"

namespace lemur {
namespace {

constexpr uint32_t kVersion = 1;
constexpr size_t kMagicBytes = 8;

}  // namespace

RowFileWriter::RowFileWriter(const std::filesystem::path& path, std::string_view magic,
                             int64_t width)
    : name_(path.string()),
      out_(path, std::ios::binary | std::ios::trunc),
      checksum_(XXH3_createState()) {
  ensure(magic.size() == kMagicBytes, "files", "the magic of a row file has 8 characters");
  if (!out_) fail<DataError>("files", "cannot create {}: {}", name_, std::strerror(errno));
  XXH3_64bits_reset(checksum_.get());
  bytes(magic.data(), magic.size());
  number(kVersion);
  number(static_cast<uint32_t>(width));
}

void RowFileWriter::bytes(const void* data, size_t size) {
  if (size == 0) return;
  XXH3_64bits_update(checksum_.get(), data, size);
  errno = 0;
  out_.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
  if (!out_) fail_write(name_);
}

void RowFileWriter::finish() {
  uint64_t digest = XXH3_64bits_digest(checksum_.get());
  out_.write(reinterpret_cast<const char*>(&digest), sizeof(digest));
  out_.close();
  if (!out_) fail_write(name_);
}

RowFileReader::RowFileReader(const std::filesystem::path& path, std::string_view magic,
                             int64_t width)
    : name_(path.string()), file_(path), rest_(file_.bytes()) {
  if (rest_.substr(0, kMagicBytes) != magic)
    fail<DataError>("files", "{} does not begin with '{}': not such a file, or damaged", name_,
                    magic);
  if (rest_.size() < kMagicBytes + 2 * sizeof(uint32_t) + sizeof(uint64_t))
    damaged("it is cut short");
  rest_.remove_suffix(sizeof(uint64_t));
  uint64_t digest;
  std::memcpy(&digest, rest_.data() + rest_.size(), sizeof(digest));
  if (hash_bytes(rest_) != digest) damaged("its checksum is wrong");
  rest_.remove_prefix(kMagicBytes);
  auto version = number<uint32_t>();
  if (version != kVersion)
    fail<DataError>("files", "{} has version {}; this program reads {}", name_, version, kVersion);
  auto file_width = number<uint32_t>();
  if (file_width != width)
    fail<DataError>("files", "{} holds rows of width {}; expected {}", name_, file_width, width);
}

void RowFileReader::damaged(const char* how) const {
  fail<DataError>("files", "{} is damaged: {}", name_, how);
}

void RowFileReader::check_room(uint64_t count, uint64_t item_bytes) const {
  if (count > rest_.size() / item_bytes) damaged("it is cut short");
}

void RowFileReader::bytes(void* target, uint64_t count, uint64_t item_bytes) {
  check_room(count, item_bytes);
  if (count == 0) return;
  std::memcpy(target, rest_.data(), count * item_bytes);
  rest_.remove_prefix(count * item_bytes);
}

void RowFileReader::finish() {
  if (!rest_.empty()) damaged("bytes follow its end");
}

}  // namespace lemur
