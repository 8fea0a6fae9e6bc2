#include "lemur/input/byte_source.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr size_t kPackedBytes = size_t{256} << 10;

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(const std::filesystem::path& file)
      : name_(file.string()), descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) fail<DataError>("input", "{}: {}", name_, std::strerror(errno));
  }
  ~PlainSource() override { ::close(descriptor_); }
  PlainSource(const PlainSource&) = delete;
  PlainSource& operator=(const PlainSource&) = delete;

  size_t read(char* out, size_t size) override {
    size_t done = 0;
    while (done < size) {
      ssize_t got = ::read(descriptor_, out + done, std::min(size - done, size_t{1} << 30));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail<DataError>("input", "{}: {}", name_, std::strerror(errno));
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

 private:
  std::string name_;
  int descriptor_;
};

/// What the packed formats share: the file's bytes, read ahead in blocks, and the loop around them.
class PackedSource : public ByteSource {
 public:
  explicit PackedSource(const std::filesystem::path& file)
      : name_(file.string()), file_(file), block_(kPackedBytes) {}

  size_t read(char* out, size_t size) override {
    size_t done = 0;
    while (done < size) {
      if (unread() == 0) fill();
      const bool is_end = unread() == 0;
      if (is_end && !is_open_) break;
      is_open_ = true;
      const size_t got = unpack(out + done, size - done);
      // At the end of the file there may still be bytes that the last call had no room for.
      if (is_end && got == 0 && is_open_)
        fail<DataError>("input", "{}: truncated after {} bytes", name_, offset_);
      done += got;
    }
    return done;
  }

 protected:
  /// Unpacks some of next() into `out`, calls advance() and, where a member or frame is whole,
  /// close().
  virtual size_t unpack(char* out, size_t size) = 0;

  char* next() { return block_.data() + begin_; }
  size_t unread() const { return end_ - begin_; }
  void advance(size_t bytes) { begin_ += bytes; }
  void close() {
    is_open_ = false;
    is_first_ = false;
  }
  bool is_first() const { return is_first_; }

  [[noreturn]] void refuse(const std::string& what) const {
    fail<DataError>("input", "{}: {} near byte {}", name_, what, offset_ + begin_);
  }

 private:
  void fill() {
    offset_ += end_;
    begin_ = 0;
    end_ = file_.read(block_.data(), block_.size());
  }

  std::string name_;
  PlainSource file_;
  std::vector<char> block_;
  size_t begin_ = 0, end_ = 0, offset_ = 0;  // offset_: of the block in the file
  bool is_open_ = true;                      // an empty file holds no member: it is truncated
  bool is_first_ = true;
};

class GzipSource : public PackedSource {
 public:
  explicit GzipSource(const std::filesystem::path& file) : PackedSource(file) {
    constexpr int kGzipOnly = 16;
    if (inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~GzipSource() override { inflateEnd(&stream_); }

 protected:
  size_t unpack(char* out, size_t size) override {
    stream_.next_in = reinterpret_cast<Bytef*>(next());
    stream_.avail_in = static_cast<uInt>(unread());
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    uInt room = static_cast<uInt>(std::min(size, size_t{1} << 30));
    stream_.avail_out = room;
    int state = inflate(&stream_, Z_NO_FLUSH);
    advance(unread() - stream_.avail_in);
    if (state == Z_STREAM_END) {
      inflateReset(&stream_);
      close();
    } else if (state == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (state != Z_OK && state != Z_BUF_ERROR) {
      refuse(fault());
    }
    return room - stream_.avail_out;
  }

 private:
  std::string fault() const {
    std::string said = stream_.msg == nullptr ? "not readable" : stream_.msg;
    if (said == "incorrect data check") return "the checksum of the .gz does not fit its bytes";
    if (said == "incorrect length check") return "the length in the .gz does not fit its bytes";
    if (said == "incorrect header check")
      return is_first() ? "no .gz" : "bytes behind the end of the .gz that are no .gz";
    return "damaged .gz: " + said;
  }

  z_stream stream_{};
};

class ZstdSource : public PackedSource {
 public:
  explicit ZstdSource(const std::filesystem::path& file)
      : PackedSource(file), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {
    if (stream_ == nullptr) throw std::bad_alloc();
  }

 protected:
  size_t unpack(char* out, size_t size) override {
    ZSTD_inBuffer in{next(), unread(), 0};
    ZSTD_outBuffer into{out, size, 0};
    size_t state = ZSTD_decompressStream(stream_.get(), &into, &in);
    advance(in.pos);
    if (ZSTD_isError(state) != 0) refuse(fault(ZSTD_getErrorName(state)));
    if (state == 0) close();
    return into.pos;
  }

 private:
  std::string fault(const std::string& said) const {
    if (said == "Restored data doesn't match checksum")
      return "the checksum of the .zst does not fit its bytes";
    if (said == "Unknown frame descriptor")
      return is_first() ? "no .zst" : "bytes behind the end of the .zst that are no .zst";
    return "damaged .zst: " + said;
  }

  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
};

}  // namespace

std::unique_ptr<ByteSource> open_bytes(const std::filesystem::path& file) {
  if (file.extension() == ".gz") return std::make_unique<GzipSource>(file);
  if (file.extension() == ".zst") return std::make_unique<ZstdSource>(file);
  return std::make_unique<PlainSource>(file);
}

std::filesystem::path without_packing(const std::filesystem::path& file) {
  bool is_packed = file.extension() == ".gz" || file.extension() == ".zst";
  return is_packed ? file.parent_path() / file.stem() : file;
}

}  // namespace lemur
