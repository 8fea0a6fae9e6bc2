// The places of the largest of some values.
#pragma once

#include <cstdint>
#include <vector>

namespace lemur {

/// Room for list_largest, and its result.
template <typename T>
struct LargestRoom {
  std::vector<T> highest;         // of groups of values
  std::vector<int64_t> reaching;  // places of values that may be among the largest
  std::vector<T> values;          // of those
  std::vector<int64_t> largest;   ///< the result: places of the largest, the largest first
};

/// Lists the places of the k <= count largest values, the largest first, equal ones by their place.
/// float or double.
void list_largest(int64_t k, const float* values, int64_t count, LargestRoom<float>& room);
void list_largest(int64_t k, const double* values, int64_t count, LargestRoom<double>& room);

}  // namespace lemur
