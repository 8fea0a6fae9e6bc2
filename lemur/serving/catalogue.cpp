#include "lemur/serving/catalogue.h"

#include <limits>

#include "lemur/base/hash.h"
#include "lemur/tables/key_map.h"

namespace lemur {
namespace {

constexpr uint64_t kNoEvent = std::numeric_limits<uint64_t>::max();

}  // namespace

struct Catalogue::Index {
  KeyMap<uint32_t> documents, users;
};

Catalogue::Catalogue(const SampleStore& store, const Options& options)
    : store_(store),
      options_(options),
      tokenizer_(Tokenizer::load(store.vocabulary_path(), options.tokenizer.lower_case)),
      index_(std::make_unique<Index>()),
      newest_of_user_(store.schema().num_users, kNoEvent) {
  const StoreSchema& schema = store.schema();
  index_->documents.reserve(schema.num_documents);
  for (uint32_t d = 0; d < schema.num_documents; ++d)
    index_->documents.emplace(store.document_keys()[d], d);
  index_->users.reserve(schema.num_users);
  for (uint32_t u = 0; u < schema.num_users; ++u)
    index_->users.emplace(hash_bytes(store.user_id(u)), u);
  for (uint64_t event = 0; event < schema.num_events; ++event) {
    uint64_t& newest = newest_of_user_[store.users()[event]];
    if (newest == kNoEvent || store.times()[event] >= store.times()[newest]) newest = event;
    newest_time_ms_ = std::max(newest_time_ms_, store.times()[event]);
  }
}

Catalogue::~Catalogue() = default;

uint32_t Catalogue::document(std::string_view id) const {
  const auto found = index_->documents.find(hash_bytes(id));
  return found == index_->documents.end() ? kNone : found->second;
}

uint32_t Catalogue::user(std::string_view id) const {
  const auto found = index_->users.find(hash_bytes(id));
  return found == index_->users.end() ? kNone : found->second;
}

std::optional<uint64_t> Catalogue::newest_event_of_user(uint32_t user) const {
  const uint64_t event = newest_of_user_[user];
  return event == kNoEvent ? std::nullopt : std::optional(event);
}

std::string Catalogue::text(uint32_t document, size_t field) const {
  std::string text;
  for (int32_t token : store_.document_tokens(document, field)) {
    std::string_view piece = tokenizer_.pieces()[static_cast<size_t>(token)];
    const bool continues = piece.starts_with("##");
    if (continues) piece.remove_prefix(2);
    if (!continues && !text.empty()) text += ' ';
    text += piece;
  }
  return text;
}

}  // namespace lemur
