// The predictions of an evaluation as CSV, so that anyone can recompute every metric.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace lemur {

/// One scored impression. Views: the texts outlive the call.
struct Prediction {
  uint64_t row = 0;  ///< of the events input, from 0
  std::string_view request, user, document;
  float label = 0, weight = 1;
  float score = 0;  ///< probability
};

/// Writes CSV (RFC 4180, lines end in \n) with the header
/// row,request,user,document,label,weight,score to a temporary file beside `path` and publishes it
/// by one rename. Numbers have 9 significant digits: reading them as float gives the same float.
/// Without finish() nothing appears and an older file stays. Not thread-safe.
class PredictionsFile {
 public:
  /// Throws InvalidArgument when `path` exists and is no regular file, DataError when the file
  /// cannot be created.
  explicit PredictionsFile(const std::filesystem::path& path);
  ~PredictionsFile();
  PredictionsFile(const PredictionsFile&) = delete;
  PredictionsFile& operator=(const PredictionsFile&) = delete;

  void add(const Prediction& prediction);

  /// Syncs and publishes the file. Throws DataError when the disk is full or the rename fails.
  void finish();

 private:
  std::filesystem::path path_, temporary_;
  std::ofstream out_;
  std::string line_;
  bool published_ = false;
};

}  // namespace lemur
