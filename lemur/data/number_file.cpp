#include "lemur/data/number_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "lemur/base/error.h"
#include "lemur/data/record_reader.h"

namespace lemur {
namespace {

/// Bits that are ordered as the numbers are.
uint64_t ordered_bits(double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  return (bits >> 63) != 0 ? ~bits : bits | (uint64_t{1} << 63);
}

double of_ordered_bits(uint64_t bits) {
  return std::bit_cast<double>((bits >> 63) != 0 ? bits & ~(uint64_t{1} << 63) : ~bits);
}

}  // namespace

NumberFile::NumberFile(const FolderWriter& folder, size_t feature, std::string transform,
                       double clip)
    : raw_path_(folder.file(fmt::format("feature_{}.raw.tmp", feature))),
      training_path_(folder.file(fmt::format("feature_{}.training.tmp", feature))),
      path_(folder.file(fmt::format("feature_{}.f32", feature))),
      raw_(raw_path_),
      training_(training_path_),
      transform_(std::move(transform)),
      clip_(clip) {}

void NumberFile::append(double value, bool in_training) {
  raw_.append(value);
  ++num_rows_;
  if (std::isnan(value)) {
    ++num_missing_;
  } else if (in_training) {
    training_.append(value);
    ++num_training_;
  }
}

double NumberFile::training_value(uint64_t rank) const {
  // Radix selection, 16 bits a pass: exact, in bounded memory.
  constexpr int kBits = 16;
  uint64_t prefix = 0;
  for (int shift = 64 - kBits; shift >= 0; shift -= kBits) {
    std::vector<uint64_t> counts(size_t{1} << kBits);
    RecordReader<double> values(training_path_, 0, num_training_);
    for (; values.has_record(); values.advance()) {
      const uint64_t bits = ordered_bits(values.record());
      if (shift + kBits == 64 || bits >> (shift + kBits) == prefix >> (shift + kBits))
        ++counts[(bits >> shift) & (counts.size() - 1)];
    }
    uint64_t digit = 0;
    for (; rank >= counts[digit]; ++digit) rank -= counts[digit];
    prefix |= digit << shift;
  }
  return of_ordered_bits(prefix);
}

NumberScale NumberFile::learn() const {
  NumberScale scale{.transform = transform_};
  if (num_training_ == 0) {
    if (transform_ == "clip") scale.transform = "none";  // there is nothing to clip by
    return scale;
  }
  if (transform_ == "clip") {
    const auto last = num_training_ - 1;
    const auto cut = static_cast<uint64_t>(clip_ * static_cast<double>(last));
    scale.low = training_value(cut);
    scale.high = training_value(last - cut);
  }
  double mean = 0, squares = 0, count = 0;  // squared differences to the mean
  RecordReader<double> values(training_path_, 0, num_training_);
  for (; values.has_record(); values.advance()) {
    const double value = scale.transformed(values.record()), difference = value - mean;
    mean += difference / ++count;
    squares += difference * (value - mean);
  }
  const double deviation = std::sqrt(squares / count);
  scale.mean = mean;
  // Rounding leaves equal values a deviation of this size; NaN stays.
  scale.deviation = deviation <= 1e-12 * std::max(1.0, std::abs(mean)) ? 1 : deviation;
  return scale;
}

void NumberFile::close(StoreSchema::Feature& feature) {
  raw_.close(), training_.close();
  feature.scale = learn();
  const char* const advice = "; transform = \"signed_log\" or \"clip\" holds them";
  if (!std::isfinite(feature.scale.deviation) || !std::isfinite(feature.scale.mean))
    fail<DataError>("ingest", "feature '{}' holds numbers too large to standardise{}", feature.name,
                    advice);
  ColumnFile file(path_);
  RecordReader<double> raw(raw_path_, 0, num_rows_);
  for (; raw.has_record(); raw.advance()) {
    const double value = raw.record();
    const float scaled = feature.scale.apply(value);
    if (!std::isfinite(scaled))
      fail<DataError>("ingest", "feature '{}' holds {}, which float32 cannot hold{}", feature.name,
                      value, advice);
    num_clipped_ +=
        transform_ == "clip" && feature.scale.transformed(value) != value && !std::isnan(value);
    file.append(scaled);
  }
  file.close();
  std::filesystem::remove(raw_path_);
  std::filesystem::remove(training_path_);
}

}  // namespace lemur
