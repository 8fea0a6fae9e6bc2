#include "lemur/eval/slices.h"

#include "lemur/base/error.h"

namespace lemur {
namespace {

/// The rows of one bucket, copied out.
struct BucketRows {
  std::vector<float> scores, labels, weights;
  std::vector<uint64_t> requests, users;

  void add(const ScoredRows& rows, size_t row) {
    scores.push_back(rows.scores[row]);
    labels.push_back(rows.labels[row]);
    if (!rows.weights.empty()) weights.push_back(rows.weights[row]);
    if (!rows.requests.empty()) requests.push_back(rows.requests[row]);
    if (!rows.users.empty()) users.push_back(rows.users[row]);
  }
};

void check(const ScoredRows& rows, const SliceColumn& column) {
  if (column.bucket_of_row.size() != rows.scores.size())
    fail<InvalidArgument>("slices", "column '{}' has {} rows for {} scores", column.name,
                          column.bucket_of_row.size(), rows.scores.size());
  for (size_t row = 0; row < column.bucket_of_row.size(); ++row)
    if (column.bucket_of_row[row] >= column.buckets.size())
      fail<InvalidArgument>("slices", "column '{}': bucket {} at row {}; there are {}", column.name,
                            column.bucket_of_row[row], row, column.buckets.size());
}

}  // namespace

nlohmann::ordered_json compute_slices(const ScoredRows& rows,
                                      std::span<const SliceColumn> columns) {
  auto slices = nlohmann::ordered_json::object();
  for (const SliceColumn& column : columns) {
    check(rows, column);
    if (slices.contains(column.name))
      fail<InvalidArgument>("slices", "two columns '{}'", column.name);
    std::vector<BucketRows> parts(column.buckets.size());
    for (size_t row = 0; row < rows.scores.size(); ++row)
      parts[column.bucket_of_row[row]].add(rows, row);
    auto& slice = slices[column.name] = nlohmann::ordered_json::object();
    for (size_t bucket = 0; bucket < parts.size(); ++bucket) {
      const BucketRows& part = parts[bucket];
      if (slice.contains(column.buckets[bucket]))
        fail<InvalidArgument>("slices", "column '{}' has two buckets '{}'", column.name,
                              column.buckets[bucket]);
      slice[column.buckets[bucket]] =
          compute_metrics({part.scores, part.labels, part.weights, part.requests, part.users})
              .to_json();
    }
  }
  return slices;
}

}  // namespace lemur
