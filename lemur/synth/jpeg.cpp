// The part of pictures that sees libjpeg.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
// libjpeg's header needs FILE.
#include <jpeglib.h>

#include "lemur/base/error.h"
#include "lemur/synth/picture.h"

namespace lemur {
namespace {

/// One JPEG in the making, in memory. libjpeg, which knows no exceptions, leaves by a jump.
class Encoder {
 public:
  Encoder() {
    codec_.err = jpeg_std_error(&errors_);
    codec_.client_data = this;
    errors_.error_exit = [](j_common_ptr codec) {
      std::longjmp(static_cast<Encoder*>(codec->client_data)->jump_, 1);
    };
  }
  ~Encoder() {
    jpeg_destroy_compress(&codec_);
    std::free(bytes_);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  /// Returns false on failure. Nothing in here may need a destructor.
  bool encode(const Picture& picture, int quality) {
    if (setjmp(jump_) != 0) return false;
    jpeg_create_compress(&codec_);
    jpeg_mem_dest(&codec_, &bytes_, &size_bytes_);
    codec_.image_width = static_cast<JDIMENSION>(picture.width());
    codec_.image_height = static_cast<JDIMENSION>(picture.height());
    codec_.input_components = 3;
    codec_.in_color_space = JCS_RGB;
    jpeg_set_defaults(&codec_);
    jpeg_set_quality(&codec_, quality, TRUE);
    codec_.dct_method = JDCT_ISLOW;  // integers: the same bytes on every machine
    jpeg_start_compress(&codec_, TRUE);
    while (codec_.next_scanline < codec_.image_height) {
      size_t begin = size_t{3} * codec_.image_width * codec_.next_scanline;
      // libjpeg does not write to the rows that it is given.
      auto* row = const_cast<JSAMPLE*>(&picture.pixels()[begin]);
      jpeg_write_scanlines(&codec_, &row, 1);
    }
    jpeg_finish_compress(&codec_);
    return true;
  }

  std::string bytes() const {
    return std::string(reinterpret_cast<const char*>(bytes_), size_bytes_);
  }
  std::string message() {
    char text[JMSG_LENGTH_MAX] = "";
    errors_.format_message(reinterpret_cast<j_common_ptr>(&codec_), text);
    return text;
  }

 private:
  jpeg_compress_struct codec_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf jump_{};
  unsigned char* bytes_ = nullptr;
  unsigned long size_bytes_ = 0;
};

}  // namespace

std::string to_jpeg(const Picture& picture, int quality) {
  Encoder encoder;
  if (!encoder.encode(picture, quality))
    fail<InternalError>("covers", "a picture of {} x {} pixels makes no JPEG: {}", picture.width(),
                        picture.height(), encoder.message());
  return encoder.bytes();
}

}  // namespace lemur
