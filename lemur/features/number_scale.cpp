#include "lemur/features/number_scale.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace lemur {

double NumberScale::transformed(double value) const {
  if (transform == "clip") return std::clamp(value, low, high);
  if (transform == "signed_log") return std::copysign(std::log1p(std::abs(value)), value);
  return value;
}

float NumberScale::apply(double value) const {
  if (std::isnan(value)) return 0;
  return static_cast<float>((transformed(value) - mean) / deviation);
}

double NumberScale::invert(float standardised) const {
  const double value = standardised * deviation + mean;
  if (transform == "signed_log") return std::copysign(std::expm1(std::abs(value)), value);
  return value;
}

void to_json(nlohmann::json& json, const NumberScale& scale) {
  json = {{"transform", scale.transform},
          {"low", scale.low},
          {"high", scale.high},
          {"mean", scale.mean},
          {"deviation", scale.deviation}};
}

void from_json(const nlohmann::json& json, NumberScale& scale) {
  scale = {json.at("transform").get<std::string>(), json.at("low").get<double>(),
           json.at("high").get<double>(), json.at("mean").get<double>(),
           json.at("deviation").get<double>()};
}

}  // namespace lemur
