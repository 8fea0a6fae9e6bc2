#include "lemur/data/number_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lemur/base/error.h"
#include "lemur/data/record_reader.h"

namespace lemur {

NumberFile::NumberFile(const FolderWriter& folder, size_t feature)
    : raw_path_(folder.file(fmt::format("feature_{}.raw.tmp", feature))),
      path_(folder.file(fmt::format("feature_{}.f32", feature))),
      raw_(raw_path_) {}

void NumberFile::append(double value, bool in_training) {
  raw_.append(value);
  ++num_rows_;
  if (std::isnan(value)) {
    ++num_missing_;
  } else if (in_training) {
    double difference = value - mean_;
    mean_ += difference / static_cast<double>(++num_training_);
    squares_ += difference * (value - mean_);
  }
}

void NumberFile::close(StoreSchema::Feature& feature) {
  raw_.close();
  double deviation =
      std::sqrt(squares_ / static_cast<double>(std::max<uint64_t>(num_training_, 1)));
  if (!std::isfinite(deviation))
    fail<DataError>("ingest", "feature '{}' holds numbers too large to standardise", feature.name);
  feature.mean = mean_;
  // Rounding leaves equal values a deviation of this size.
  feature.deviation = deviation > 1e-12 * std::max(1.0, std::abs(mean_)) ? deviation : 1;
  ColumnFile file(path_);
  RecordReader<double> raw(raw_path_, 0, num_rows_);
  for (; raw.has_record(); raw.advance()) {
    double value = raw.record();
    file.append(std::isnan(value) ? 0.0F
                                  : static_cast<float>((value - feature.mean) / feature.deviation));
  }
  file.close();
  std::filesystem::remove(raw_path_);
}

}  // namespace lemur
