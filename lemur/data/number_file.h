// A number feature's column on disk, standardised by the training split.
#pragma once

#include <cstdint>
#include <filesystem>

#include "lemur/base/folder.h"
#include "lemur/data/sample_store.h"

namespace lemur {

/// Writes feature_<i>.f32. The values wait in a file beside it, as doubles, until their scale is
/// known. Used by ingest only.
class NumberFile {
 public:
  NumberFile(const FolderWriter& folder, size_t feature);

  /// Appends one value; NaN: missing, which will be 0. Those `in_training` make the scale.
  void append(double value, bool in_training);

  /// Writes the standardised values and sets the feature's mean and deviation (1 where the values
  /// do not differ). Throws DataError where the numbers are too large to have a deviation.
  void close(StoreSchema::Feature& feature);

  uint64_t num_rows() const { return num_rows_; }
  uint64_t num_missing() const { return num_missing_; }

 private:
  std::filesystem::path raw_path_, path_;
  ColumnFile raw_;
  uint64_t num_rows_ = 0, num_missing_ = 0, num_training_ = 0;
  double mean_ = 0, squares_ = 0;  // of the training split; sum of squared differences to the mean
};

}  // namespace lemur
