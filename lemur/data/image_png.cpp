#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/data/image_formats.h"
#include "lemur/data/row_resizer.h"

namespace lemur {
namespace {

/// Decodes one PNG. libpng reports faults by a jump: whatever may fail runs inside attempt(), where
/// nothing on the stack has a destructor.
class PngDecoder {
 public:
  explicit PngDecoder(const ImageRequest& request);
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  DecodeResult decode();

 private:
  bool attempt(void (PngDecoder::*step)());
  void read_header();
  void read_rows();
  void read_interlaced();
  void add_row(uint8_t* row);

  [[noreturn]] static void on_error(png_structp png, png_const_charp message);
  static void read_bytes(png_structp png, png_bytep out, size_t size);

  const ImageRequest& request_;
  std::span<const uint8_t> rest_;  // not yet read
  png_structp png_;
  png_infop info_ = nullptr;
  std::jmp_buf jump_;
  char message_[128] = {};
  size_t width_ = 0, height_ = 0, row_bytes_ = 0;
  int num_passes_ = 1;
  std::vector<uint8_t> pixels_;  // one row; all of them where they are interlaced
  std::optional<RowResizer> resizer_;
};

PngDecoder::PngDecoder(const ImageRequest& request)
    : request_(request),
      rest_(request.bytes),
      png_(png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error,
                                  [](png_structp, png_const_charp) {})) {
  if (png_ != nullptr) info_ = png_create_info_struct(png_);
}

void PngDecoder::on_error(png_structp png, png_const_charp message) {
  auto* decoder = static_cast<PngDecoder*>(png_get_error_ptr(png));
  std::snprintf(decoder->message_, sizeof(decoder->message_), "%s", message);
  std::longjmp(decoder->jump_, 1);
}

void PngDecoder::read_bytes(png_structp png, png_bytep out, size_t size) {
  auto* decoder = static_cast<PngDecoder*>(png_get_io_ptr(png));
  if (size > decoder->rest_.size()) png_error(png, "the file ends too early");
  std::copy_n(decoder->rest_.begin(), size, out);
  decoder->rest_ = decoder->rest_.subspan(size);
}

/// Returns whether the step came to its end.
bool PngDecoder::attempt(void (PngDecoder::*step)()) {
  if (setjmp(jump_) != 0) return false;
  (this->*step)();
  return true;
}

void PngDecoder::read_header() {
  png_set_read_fn(png_, this, read_bytes);
  png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // the size is checked already
  // All chunks but those that make pixels are skipped: they hold texts, profiles and bombs.
  png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(png_, info_);
  png_set_expand(png_);
  png_set_scale_16(png_);
  png_set_gray_to_rgb(png_);
  png_set_add_alpha(png_, 0xff, PNG_FILLER_AFTER);
  num_passes_ = png_set_interlace_handling(png_);
  png_read_update_info(png_, info_);
  row_bytes_ = png_get_rowbytes(png_, info_);
}

/// Takes a row of RGBA, which it changes.
void PngDecoder::add_row(uint8_t* row) {
  flatten(row, width_);
  resizer_->add(row);
}

void PngDecoder::read_rows() {
  for (size_t y = 0; y < height_; ++y) {
    png_read_row(png_, pixels_.data(), nullptr);
    add_row(pixels_.data());
  }
  png_read_end(png_, nullptr);
}

void PngDecoder::read_interlaced() {
  for (int pass = 0; pass < num_passes_; ++pass)
    for (size_t y = 0; y < height_; ++y) png_read_row(png_, &pixels_[y * row_bytes_], nullptr);
  png_read_end(png_, nullptr);
  for (size_t y = 0; y < height_; ++y) add_row(&pixels_[y * row_bytes_]);
}

DecodeResult PngDecoder::decode() {
  // The header is the first chunk, at a fixed place: its size is checked before libpng sees it.
  constexpr size_t kNameAt = 12, kWidthAt = 16, kHeightAt = 20, kHeaderEnd = 24;
  if (request_.bytes.size() < kHeaderEnd) return broken("the file ends too early");
  if (std::memcmp(&request_.bytes[kNameAt], "IHDR", 4) != 0)
    return broken("it does not begin with a header");
  width_ = png_get_uint_32(&request_.bytes[kWidthAt]);
  height_ = png_get_uint_32(&request_.bytes[kHeightAt]);
  if (auto refused = fault_of_size(request_, width_, height_)) return *refused;
  if (info_ == nullptr) return broken("libpng cannot start");
  if (!attempt(&PngDecoder::read_header)) return broken(message_);
  ensure(row_bytes_ == 4 * width_, "image", "libpng gives rows of RGBA");
  pixels_.resize(row_bytes_ * (num_passes_ > 1 ? height_ : 1));
  resizer_.emplace(width_, height_, request_.side);
  if (!attempt(num_passes_ > 1 ? &PngDecoder::read_interlaced : &PngDecoder::read_rows))
    return broken(message_);
  resizer_->finish(request_.rgb);
  return {};
}

}  // namespace

DecodeResult decode_png(const ImageRequest& request) { return PngDecoder(request).decode(); }

}  // namespace lemur
