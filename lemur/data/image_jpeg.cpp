#include <algorithm>
#include <csetjmp>
#include <cstdio>  // which jpeglib.h needs and does not include
#include <optional>
#include <vector>

#include <jpeglib.h>

#include <jerror.h>

#include "lemur/base/error.h"
#include "lemur/data/image_formats.h"
#include "lemur/data/image_orientation.h"
#include "lemur/data/row_resizer.h"

namespace lemur {
namespace {

/// A progressive file of more scans is made to keep its reader busy; usual ones have about ten.
constexpr int kMaxScans = 100;

/// Decodes one JPEG. libjpeg reports faults by a jump: whatever may fail runs inside attempt(),
/// where nothing on the stack has a destructor.
class JpegDecoder {
 public:
  explicit JpegDecoder(const ImageRequest& request);
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  DecodeResult decode();

 private:
  bool attempt(void (JpegDecoder::*step)());
  void read_header();
  void start();
  void read_rows();
  void choose_scale();
  void convert_cmyk();
  DecodeResult fault();

  [[noreturn]] static void on_error(j_common_ptr info);
  static void on_message(j_common_ptr info, int level);
  static void on_progress(j_common_ptr info);

  const ImageRequest& request_;
  jpeg_decompress_struct info_ = {};
  jpeg_error_mgr errors_ = {};
  jpeg_progress_mgr progress_ = {};
  std::jmp_buf jump_;
  bool has_too_many_scans_ = false;
  std::vector<uint8_t> row_;
  std::optional<RowResizer> resizer_;
};

JpegDecoder::JpegDecoder(const ImageRequest& request) : request_(request) {
  info_.err = jpeg_std_error(&errors_);
  errors_.error_exit = on_error;
  errors_.emit_message = on_message;
  errors_.output_message = [](j_common_ptr) {};
  progress_.progress_monitor = on_progress;
  info_.client_data = this;
}

void JpegDecoder::on_error(j_common_ptr info) {
  std::longjmp(static_cast<JpegDecoder*>(info->client_data)->jump_, 1);
}

void JpegDecoder::on_message(j_common_ptr info, int /*level*/) {
  switch (info->err->msg_code) {  // those after which libjpeg makes pixels up
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
      on_error(info);
    default:
      break;
  }
}

void JpegDecoder::on_progress(j_common_ptr info) {
  auto* decoder = static_cast<JpegDecoder*>(info->client_data);
  if (decoder->info_.input_scan_number <= kMaxScans) return;
  decoder->has_too_many_scans_ = true;
  on_error(info);
}

/// Returns whether the step came to its end.
bool JpegDecoder::attempt(void (JpegDecoder::*step)()) {
  if (setjmp(jump_) != 0) return false;
  (this->*step)();
  return true;
}

DecodeResult JpegDecoder::fault() {
  if (has_too_many_scans_) return broken(fmt::format("more than {} scans", kMaxScans));
  char message[JMSG_LENGTH_MAX];
  errors_.format_message(reinterpret_cast<j_common_ptr>(&info_), message);
  switch (errors_.msg_code) {
    case JERR_IMAGE_TOO_BIG:
      return too_large(message);
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CCIR601_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED:
      return unsupported(message);
    default:
      return broken(message);
  }
}

void JpegDecoder::read_header() {
  jpeg_create_decompress(&info_);
  info_.progress = &progress_;
  jpeg_mem_src(&info_, request_.bytes.data(), request_.bytes.size());
  jpeg_read_header(&info_, TRUE);
}

/// Sets the smallest eighth of the size at which the image is still as large as the square.
void JpegDecoder::choose_scale() {
  auto side = static_cast<uint64_t>(request_.side);
  uint64_t smaller = std::min(info_.image_width, info_.image_height);
  info_.scale_denom = 8;
  info_.scale_num = 1;
  while (info_.scale_num < 8 && (smaller * info_.scale_num + 7) / 8 < side) ++info_.scale_num;
}

void JpegDecoder::start() {
  choose_scale();
  info_.out_color_space = info_.num_components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&info_);
}

/// Turns the row from CMYK into RGB, in place. Adobe's files hold the inks inverted.
void JpegDecoder::convert_cmyk() {
  const bool is_inverted = info_.saw_Adobe_marker;
  for (size_t i = 0; i < info_.output_width; ++i) {
    uint8_t black = row_[4 * i + 3];
    for (size_t c = 0; c < 3; ++c) {
      int ink = row_[4 * i + c];
      int light = is_inverted ? ink * black : (255 - ink) * (255 - black);
      row_[3 * i + c] = static_cast<uint8_t>((light + 127) / 255);
    }
  }
}

void JpegDecoder::read_rows() {
  while (info_.output_scanline < info_.output_height) {
    JSAMPROW row = row_.data();
    jpeg_read_scanlines(&info_, &row, 1);
    if (info_.num_components == 4) convert_cmyk();
    resizer_->add(row_.data());
  }
  jpeg_finish_decompress(&info_);
}

DecodeResult JpegDecoder::decode() {
  if (!attempt(&JpegDecoder::read_header)) return fault();
  if (auto refused = fault_of_size(request_, info_.image_width, info_.image_height))
    return *refused;
  int components = info_.num_components;
  if (components != 1 && components != 3 && components != 4)
    return unsupported(fmt::format("{} color components", components));
  if (!attempt(&JpegDecoder::start)) return fault();
  row_.resize(size_t{info_.output_width} * static_cast<size_t>(info_.output_components));
  resizer_.emplace(info_.output_width, info_.output_height, request_.side);
  if (!attempt(&JpegDecoder::read_rows)) return fault();
  resizer_->finish(request_.rgb);
  set_upright(request_.rgb, request_.side, exif_orientation(request_.bytes));
  return {};
}

}  // namespace

DecodeResult decode_jpeg(const ImageRequest& request) { return JpegDecoder(request).decode(); }

}  // namespace lemur
