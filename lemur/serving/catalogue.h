// What the store knows of documents and users, found by their IDs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/base/options.h"
#include "lemur/data/sample_store.h"
#include "lemur/text/tokenizer.h"

namespace lemur {

/// Immutable after construction; any thread. The store must outlive it.
class Catalogue {
 public:
  /// Reads every event once. `options` are those of the run.
  Catalogue(const SampleStore& store, const Options& options);
  ~Catalogue();

  const SampleStore& store() const { return store_; }
  const Options& options() const { return options_; }

  /// Return the index; kNone for an ID that the store does not know.
  uint32_t document(std::string_view id) const;
  uint32_t user(std::string_view id) const;

  /// Returns the newest event of a user; nothing where there is none.
  std::optional<uint64_t> newest_event_of_user(uint32_t user) const;

  /// Time of the store's newest event, milliseconds since 1970; 0: it has none.
  int64_t newest_time_ms() const { return newest_time_ms_; }

  /// The tokenizer that the store was made with.
  const Tokenizer& tokenizer() const { return tokenizer_; }

  /// Returns a text field of a document as the model reads it: word pieces put together.
  std::string text(uint32_t document, size_t field) const;

 private:
  struct Index;

  const SampleStore& store_;
  const Options options_;
  const Tokenizer tokenizer_;
  std::unique_ptr<Index> index_;
  std::vector<uint64_t> newest_of_user_;  // event, kNoEvent: none
  int64_t newest_time_ms_ = 0;
};

}  // namespace lemur
