// TensorBoard event files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace lemur {

/// Returns CRC-32C (Castagnoli) of the bytes, as TFRecord files use it.
uint32_t crc32c(std::string_view bytes);

/// Writes scalars that TensorBoard shows. Not thread-safe.
class TensorBoardWriter {
 public:
  /// Creates a new file events.out.tfevents.* in `folder`, itself created if need be; files of
  /// earlier runs stay, and TensorBoard joins them. Throws DataError when that is impossible.
  explicit TensorBoardWriter(const std::filesystem::path& folder);

  /// Appends one point. `wall_time`: seconds since 1970. The value is kept as float32. Throws
  /// DataError when the file cannot be written.
  void scalar(std::string_view tag, double value, int64_t step, double wall_time);

  /// Makes all points visible to readers. Throws DataError when the file cannot be written.
  void flush();

 private:
  void record(std::string_view event);

  std::string name_;
  std::ofstream out_;
};

}  // namespace lemur
