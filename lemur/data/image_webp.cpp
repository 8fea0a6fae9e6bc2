#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/data/image_formats.h"
#include "lemur/data/row_resizer.h"

namespace lemur {
namespace {

constexpr size_t kPixelBytes = 4;

/// An image of RGBA, transparent at first.
struct Canvas {
  size_t width, height;
  std::vector<uint8_t> pixels = std::vector<uint8_t>(kPixelBytes * width * height);
};

DecodeResult result_of(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OK:
      return {};
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return broken("the file ends too early");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return unsupported("a feature of WebP that libwebp lacks");
    case VP8_STATUS_OUT_OF_MEMORY:
      return broken("libwebp asks for more memory than there is");
    default:
      return broken("damaged data");
  }
}

/// Checks the canvas that an extended header names, if there is one: libwebp looks at the frames
/// before it.
std::optional<DecodeResult> fault_of_canvas(const ImageRequest& request) {
  constexpr size_t kTypeAt = 12, kWidthAt = 24, kHeightAt = 27, kHeaderEnd = 30;
  const auto& bytes = request.bytes;
  constexpr std::string_view kExtended = "VP8X";
  if (bytes.size() < kHeaderEnd || !std::equal(kExtended.begin(), kExtended.end(), &bytes[kTypeAt]))
    return std::nullopt;
  auto size_at = [&](size_t place) {
    return 1 + (uint64_t{bytes[place]} | uint64_t{bytes[place + 1]} << 8 |
                uint64_t{bytes[place + 2]} << 16);
  };
  return fault_of_size(request, size_at(kWidthAt), size_at(kHeightAt));
}

/// Decodes a frame onto the canvas. Requires: that it lies on it.
VP8StatusCode draw(std::span<const uint8_t> frame, size_t left, size_t top, Canvas& canvas) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) return VP8_STATUS_UNSUPPORTED_FEATURE;
  size_t stride = kPixelBytes * canvas.width, begin = top * stride + kPixelBytes * left;
  config.output.colorspace = MODE_RGBA;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {.rgba = &canvas.pixels[begin],
                          .stride = static_cast<int>(stride),
                          .size = canvas.pixels.size() - begin};
  VP8StatusCode status = WebPDecode(frame.data(), frame.size(), &config);
  WebPFreeDecBuffer(&config.output);
  return status;
}

/// Decodes the first frame of an animation onto the canvas.
DecodeResult draw_first_frame(std::span<const uint8_t> bytes, Canvas& canvas) {
  WebPData data = {bytes.data(), bytes.size()};
  std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(WebPDemux(&data),
                                                                   WebPDemuxDelete);
  WebPIterator frame;
  if (demuxer == nullptr || WebPDemuxGetFrame(demuxer.get(), 1, &frame) == 0)
    return broken("damaged or incomplete animation");
  auto left = static_cast<size_t>(frame.x_offset), top = static_cast<size_t>(frame.y_offset);
  bool fits = frame.x_offset >= 0 && frame.y_offset >= 0 &&
              left + static_cast<size_t>(frame.width) <= canvas.width &&
              top + static_cast<size_t>(frame.height) <= canvas.height;
  DecodeResult result =
      fits ? result_of(draw({frame.fragment.bytes, frame.fragment.size}, left, top, canvas))
           : broken("a frame lies outside of the animation");
  WebPDemuxReleaseIterator(&frame);
  return result;
}

void resize(Canvas& canvas, const ImageRequest& request) {
  RowResizer resizer(static_cast<int64_t>(canvas.width), static_cast<int64_t>(canvas.height),
                     request.side);
  for (size_t y = 0; y < canvas.height; ++y) {
    uint8_t* row = &canvas.pixels[kPixelBytes * canvas.width * y];
    flatten(row, canvas.width);
    resizer.add(row);
  }
  resizer.finish(request.rgb);
}

}  // namespace

DecodeResult decode_webp(const ImageRequest& request) {
  if (auto refused = fault_of_canvas(request)) return *refused;
  WebPBitstreamFeatures features;
  VP8StatusCode status = WebPGetFeatures(request.bytes.data(), request.bytes.size(), &features);
  if (status != VP8_STATUS_OK) return result_of(status);
  auto width = static_cast<size_t>(features.width), height = static_cast<size_t>(features.height);
  if (auto refused = fault_of_size(request, width, height)) return *refused;
  Canvas canvas{width, height};
  DecodeResult result = features.has_animation != 0 ? draw_first_frame(request.bytes, canvas)
                                                    : result_of(draw(request.bytes, 0, 0, canvas));
  if (result.status == ImageStatus::kOk) resize(canvas, request);
  return result;
}

}  // namespace lemur
