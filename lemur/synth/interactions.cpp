#include "lemur/synth/interactions.h"

#include <cmath>

#include "lemur/synth/random.h"

namespace lemur {
namespace {

constexpr int64_t kHourMs = 3'600'000;

template <typename Fields>
std::vector<Fields> draw_fields(int64_t count, Random random) {
  std::vector<Fields> all(static_cast<size_t>(count));
  for (Fields& fields : all)
    for (uint8_t& value : fields) value = static_cast<uint8_t>(random.below(kFieldValues));
  return all;
}

}  // namespace

Interactions::Interactions(const WorldOptions& options)
    : users_(draw_fields<UserFields>(options.users, {options.seed, hash_bytes("fields of users")})),
      documents_(draw_fields<DocumentFields>(options.documents,
                                             {options.seed, hash_bytes("fields of documents")})) {
  for (size_t u = 0; u < affinities_.size(); ++u)
    for (size_t d = 0; d < kDocumentFields.size(); ++d)
      affinities_[u][d] = draw(u < kUserFields.size() ? kFieldValues : kHours, options.seed,
                               hash_combine(hash_bytes("affinities"), u * 100 + d));
}

Interactions::Affinities Interactions::draw(size_t values, uint64_t seed, uint64_t stream) {
  Random random(seed, stream);
  std::array<std::array<double, kFieldValues>, kHours> drawn{};
  std::array<double, kFieldValues> column{};  // means
  for (size_t a = 0; a < values; ++a)
    for (size_t b = 0; b < kFieldValues; ++b)
      column[b] += (drawn[a][b] = random.normal()) / static_cast<double>(values);
  double squares = 0;
  for (size_t a = 0; a < values; ++a) {
    double row = 0;  // mean of what is left of the row
    for (size_t b = 0; b < kFieldValues; ++b)
      row += (drawn[a][b] -= column[b]) / static_cast<double>(kFieldValues);
    for (double& x : drawn[a]) x -= row, squares += x * x;
  }
  const auto pairs = static_cast<double>((kUserFields.size() + 1) * kDocumentFields.size());
  const double scale = std::sqrt(static_cast<double>(values * kFieldValues) / squares / pairs);
  Affinities affinities{};
  for (size_t a = 0; a < values; ++a)
    for (size_t b = 0; b < kFieldValues; ++b)
      affinities[a][b] = static_cast<float>(drawn[a][b] * scale);
  return affinities;
}

int64_t Interactions::hour(int64_t time_ms) {
  return time_ms / kHourMs % static_cast<int64_t>(kHours);
}

double Interactions::effect(int64_t user, int64_t time_ms, int64_t document) const {
  const DocumentFields& shown = of_document(document);
  const UserFields& seen_by = of_user(user);
  double sum = 0;
  for (size_t d = 0; d < shown.size(); ++d) {
    for (size_t u = 0; u < seen_by.size(); ++u) sum += affinities_[u][d][seen_by[u]][shown[d]];
    sum += affinities_[seen_by.size()][d][static_cast<size_t>(hour(time_ms))][shown[d]];
  }
  return sum;
}

}  // namespace lemur
