// Metrics on parts of the scored impressions: by document seen, document age, history length ...
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "lemur/eval/metrics.h"

namespace lemur {

/// One way of cutting the rows into buckets.
struct SliceColumn {
  std::string name;                     ///< such as "document_seen"
  std::vector<std::string> buckets;     ///< names, in the order of the report
  std::vector<uint16_t> bucket_of_row;  ///< [n] index into `buckets`
};

/// Returns {column: {bucket: metrics}} in the order of the columns and buckets, a bucket without
/// rows included. Metrics by request and user see only the bucket's rows of them. Throws what
/// compute_metrics throws, and InvalidArgument when a column has another number of rows, a bucket
/// that it does not name, or two of one name.
nlohmann::ordered_json compute_slices(const ScoredRows& rows, std::span<const SliceColumn> columns);

}  // namespace lemur
