// What a number feature's value becomes before the model sees it: transformed, then standardised.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lemur {

/// Learned by ingest on the training split (data.feature.transform), stored in the schema, applied
/// by ingest and by serving.
struct NumberScale {
  std::string transform = "none";  ///< clip | signed_log | none
  double low = 0, high = 0;        ///< clip: bounds of the raw value
  double mean = 0, deviation = 1;  ///< of the transformed value; deviation > 0

  /// The value before standardisation: clip to [low, high]; sign(x) log(1 + |x|); or x.
  double transformed(double value) const;
  /// Returns (transformed(value) - mean) / deviation; 0 for NaN, which is a missing value. The
  /// result is finite unless `value` is infinite or beyond float32 with transform none.
  float apply(double value) const;
  /// Returns a raw value that apply() takes to `standardised`, up to rounding.
  double invert(float standardised) const;

  bool operator==(const NumberScale&) const = default;
};

void to_json(nlohmann::json& json, const NumberScale& scale);
void from_json(const nlohmann::json& json, NumberScale& scale);

}  // namespace lemur
