// Category fields of users and documents in the simulated world, whose pairs move the clicks.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "lemur/synth/world.h"

namespace lemur {

/// Draws every field of every user and document, and an affinity for each pair of values of a
/// user's field, or the hour, and a document's field. Nothing but the pairs tells: over all values
/// an affinity has mean 0 by each of the two. Immutable.
class Interactions {
 public:
  explicit Interactions(const WorldOptions& options);

  const UserFields& of_user(int64_t user) const { return users_[static_cast<size_t>(user)]; }
  const DocumentFields& of_document(int64_t document) const {
    return documents_[static_cast<size_t>(document)];
  }
  /// Returns the hour of the day, 0 to 23 (UTC).
  static int64_t hour(int64_t time_ms);
  /// Returns the sum of the affinities of all pairs, of variance about 1.
  double effect(int64_t user, int64_t time_ms, int64_t document) const;

 private:
  static constexpr size_t kHours = 24;
  /// By the user's value or hour, then the document's.
  using Affinities = std::array<std::array<float, kFieldValues>, kHours>;
  static Affinities draw(size_t values, uint64_t seed, uint64_t stream);

  std::vector<UserFields> users_;
  std::vector<DocumentFields> documents_;
  // By the user's field, the last one the hour, then the document's.
  std::array<std::array<Affinities, kDocumentFields.size()>, kUserFields.size() + 1> affinities_;
};

}  // namespace lemur
