// A number feature's column on disk, scaled by the training split.
#pragma once

#include <cstdint>
#include <filesystem>

#include "lemur/base/folder.h"
#include "lemur/data/sample_store.h"

namespace lemur {

/// Writes feature_<i>.f32. The values wait in files beside it, as doubles, until their scale is
/// known. Used by ingest only.
class NumberFile {
 public:
  /// `transform` as of data.feature; `clip`: share that the transform clip cuts at either end.
  NumberFile(const FolderWriter& folder, size_t feature, std::string transform, double clip);

  /// Appends one value; NaN: missing, which will be 0. Those `in_training` make the scale.
  void append(double value, bool in_training);

  /// Learns the scale, sets it in the schema (deviation 1 where the values do not differ) and
  /// writes the scaled values. Throws DataError where the numbers are too large to have a deviation
  /// or for float32.
  void close(StoreSchema::Feature& feature);

  uint64_t num_rows() const { return num_rows_; }
  uint64_t num_missing() const { return num_missing_; }
  uint64_t num_clipped() const { return num_clipped_; }  ///< values that the transform clip moved

 private:
  NumberScale learn() const;
  /// Returns the value of rank `rank` (from 0) of those in training, in ascending order.
  double training_value(uint64_t rank) const;

  std::filesystem::path raw_path_, training_path_, path_;
  ColumnFile raw_, training_;
  std::string transform_;
  double clip_;
  uint64_t num_rows_ = 0, num_missing_ = 0, num_training_ = 0, num_clipped_ = 0;
};

}  // namespace lemur
