#include "lemur/model/launch_buckets.h"

#include <algorithm>

namespace lemur {
namespace {

constexpr int64_t kFewestTokens = 1024, kFewestTexts = 32;

int64_t next_size(int64_t size, int64_t fewest) {
  int64_t next = fewest;
  while (next < size) next += next / 4;
  return next;
}

}  // namespace

LaunchBucket bucket_of(int64_t tokens, int64_t texts, int64_t longest) {
  const int64_t filled = next_size(tokens, kFewestTokens), rest = filled - tokens;
  return {filled, next_size(texts + (rest + longest - 1) / longest, kFewestTexts)};
}

torch::Tensor filled_offsets(const torch::Tensor& offsets, const LaunchBucket& bucket,
                             int64_t longest) {
  torch::Tensor result = torch::empty({bucket.texts + 1}, torch::kInt64);
  auto* begin = result.data_ptr<int64_t>();
  const auto* given = offsets.data_ptr<int64_t>();
  std::copy_n(given, offsets.numel(), begin);
  for (int64_t i = offsets.numel(); i <= bucket.texts; ++i)
    begin[i] = std::min(begin[i - 1] + longest, bucket.tokens);
  return result;
}

}  // namespace lemur
