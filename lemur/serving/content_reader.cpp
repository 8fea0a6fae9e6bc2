#include "lemur/serving/content_reader.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "lemur/base/hash.h"

namespace lemur {
namespace {

void copy_row(std::span<const float> vector, torch::Tensor& to, int64_t row) {
  std::ranges::copy(vector, to.data_ptr<float>() + row * to.size(1));
}

std::span<const float> row_of(const torch::Tensor& x, int64_t row) {
  return {x.data_ptr<float>() + row * x.size(1), static_cast<size_t>(x.size(1))};
}

}  // namespace

ContentReader::ContentReader(const Catalogue& catalogue, int64_t max_encoded, RecentContent& recent,
                             ServingObserver& observer)
    : catalogue_(catalogue),
      max_encoded_(max_encoded),
      recent_(recent),
      observer_(observer),
      splitter_(catalogue.options().tokenizer.lower_case) {}

uint64_t ContentReader::content_key(const ContentSubject& subject) const {
  uint64_t key = subject.key;
  for (const auto& [field, text] : subject.candidate->texts)
    key = hash_combine(key, hash_combine(hash_bytes(field), hash_bytes(text)));
  return key;
}

std::vector<std::span<const int32_t>> ContentReader::texts(
    const ContentSubject& subject, std::vector<std::vector<int32_t>>& room) const {
  const SampleStore& store = catalogue_.store();
  const StoreSchema& schema = store.schema();
  std::vector<std::span<const int32_t>> all(schema.text.size());
  room.assign(schema.text.size(), {});
  for (size_t field = 0; field < schema.text.size(); ++field) {
    const auto given = subject.candidate->texts.find(schema.text[field].name);
    if (given != subject.candidate->texts.end()) {
      catalogue_.tokenizer().encode(
          given->second, static_cast<size_t>(schema.text[field].max_tokens), room[field]);
      all[field] = room[field];
    } else if (subject.document != kNone) {
      all[field] = store.document_tokens(subject.document, field);
    }
  }
  return all;
}

std::vector<int32_t> ContentReader::query_tokens(std::string_view text) {
  std::vector<int32_t> tokens;
  catalogue_.tokenizer().encode(splitter_.joined(text), std::numeric_limits<int32_t>::max(),
                                tokens);
  return tokens;
}

DocumentContent ContentReader::content_of(const ContentSubject& subject) const {
  const SampleStore& store = catalogue_.store();
  const StoreSchema& schema = store.schema();
  DocumentContent content;
  std::vector<std::vector<int32_t>> room;
  for (std::span<const int32_t> text : texts(subject, room))
    content.texts.emplace_back(text.begin(), text.end());
  for (size_t field = 0; field < schema.images.size(); ++field)
    content.images.push_back(subject.document == kNone ? std::span<const uint8_t>()
                                                       : store.image(subject.document, field));
  return content;
}

torch::Tensor ContentReader::documents(Snapshot& snapshot, std::span<ContentSubject> subjects) {
  ModelState& state = snapshot.state;
  std::vector<uint64_t> keys(subjects.size());
  std::ranges::transform(subjects, keys.begin(), [](const auto& subject) { return subject.key; });
  std::vector<int32_t> rows(subjects.size(), MemoryBank::kAbsent);
  if (state.bank) state.bank->find(keys, rows);
  for (size_t i = 0; i < subjects.size(); ++i)
    if (!subjects[i].candidate->texts.empty()) rows[i] = MemoryBank::kAbsent;
  torch::Tensor vectors =
      state.bank ? state.bank->gather(rows)
                 : torch::zeros({std::ssize(rows), state.model->representation_width()});

  std::vector<Missing> missing;
  int64_t hits = 0, unknown = 0;
  for (size_t i = 0; i < subjects.size(); ++i) {
    ContentSubject& subject = subjects[i];
    if (subject.document == kNone) subject.flags |= kUnknownDocument, ++unknown;
    if (rows[i] != MemoryBank::kAbsent) {
      ++hits;
      continue;
    }
    if (subject.document != kNone && subject.candidate->texts.empty())
      recent_.note_document(subject.document);
    const uint64_t key = content_key(subject);
    const auto cached = snapshot.documents.find(key);
    if (!cached.empty()) {
      copy_row(cached, vectors, static_cast<int64_t>(i));
    } else if (subject.document == kNone && subject.candidate->texts.empty()) {
      subject.flags |= kNoContent;
    } else if (std::ssize(missing) < max_encoded_) {
      missing.push_back({i, key});
    } else {
      subject.flags |= kNoContent;
    }
  }
  observer_.bank_looked_up(BankLookup::kHit, hits);
  observer_.bank_looked_up(BankLookup::kUnknownDocument, unknown);
  observer_.bank_looked_up(BankLookup::kMiss,
                           std::max<int64_t>(0, std::ssize(rows) - hits - unknown));
  if (!missing.empty()) encode(snapshot, subjects, missing, vectors);
  return vectors;
}

void ContentReader::encode(Snapshot& snapshot, std::span<ContentSubject> subjects,
                           std::span<const Missing> missing, torch::Tensor& vectors) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<DocumentContent> contents;
  for (const Missing& one : missing) contents.push_back(content_of(subjects[one.subject]));
  const torch::Tensor encoded = snapshot.state.model
                                    ->encode_documents(pack_documents(
                                        snapshot.state.schema, contents, snapshot.state.packing()))
                                    .to(torch::kHalf)  // as the bank would keep it
                                    .to(torch::kFloat32)
                                    .contiguous();
  for (size_t i = 0; i < missing.size(); ++i) {
    const auto vector = row_of(encoded, static_cast<int64_t>(i));
    subjects[missing[i].subject].flags |= kEncodedNow;
    copy_row(vector, vectors, static_cast<int64_t>(missing[i].subject));
    if (snapshot.documents.find(missing[i].key).empty())
      snapshot.documents.add(missing[i].key, vector);
  }
  observer_.stage_took(
      ServingStage::kEncode,
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
}

void ContentReader::add_to_cache(Snapshot& snapshot, std::span<const uint32_t> documents) {
  static const Candidate kAsStored;
  std::vector<ContentSubject> subjects;
  std::vector<Missing> missing;
  for (uint32_t document : documents) {
    if (std::ssize(missing) == max_encoded_) break;
    recent_.note_document(document);
    const uint64_t key = catalogue_.store().document_keys()[document];
    const bool is_chosen = std::ranges::find(missing, key, &Missing::key) != missing.end();
    if (is_chosen || !snapshot.documents.find(key).empty()) continue;
    missing.push_back({subjects.size(), key});
    subjects.push_back({&kAsStored, document, key, 0});
  }
  if (missing.empty()) return;
  torch::Tensor vectors =
      torch::empty({std::ssize(subjects), snapshot.state.model->representation_width()});
  encode(snapshot, subjects, missing, vectors);
}

void ContentReader::encode_recent(Snapshot& snapshot) {
  // The oldest first: noted again, they keep their order.
  std::vector<uint32_t> documents = recent_.documents();
  if (snapshot.state.bank)
    std::erase_if(documents, [&](uint32_t document) {
      int32_t row = MemoryBank::kAbsent;
      snapshot.state.bank->find({&catalogue_.store().document_keys()[document], 1}, {&row, 1});
      return row != MemoryBank::kAbsent;
    });
  std::ranges::reverse(documents);
  for (std::span<const uint32_t> rest = documents; max_encoded_ > 0 && !rest.empty();) {
    const size_t part = std::min(rest.size(), static_cast<size_t>(max_encoded_));
    add_to_cache(snapshot, rest.first(part));
    rest = rest.subspan(part);
  }
  std::vector<std::string> texts = recent_.queries();
  std::ranges::reverse(texts);
  std::vector<bool> is_empty;
  for (const std::string& text : texts) queries(snapshot, {&text, 1}, is_empty);
}

torch::Tensor ContentReader::queries(Snapshot& snapshot, std::span<const std::string> texts,
                                     std::vector<bool>& is_empty) {
  ModelState& state = snapshot.state;
  torch::Tensor vectors = torch::zeros({std::ssize(texts), state.model->representation_width()});
  is_empty.assign(texts.size(), false);
  std::vector<Missing> missing;
  std::vector<std::vector<int32_t>> tokens;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string text = splitter_.joined(texts[i]);
    is_empty[i] = text.empty();
    if (text.empty()) continue;
    recent_.note_query(text);
    const uint64_t key = hash_bytes(text);
    const auto cached = snapshot.queries.find(key);
    if (!cached.empty()) {
      copy_row(cached, vectors, static_cast<int64_t>(i));
      continue;
    }
    missing.push_back({i, key});
    catalogue_.tokenizer().encode(text, static_cast<size_t>(state.options.model.query_max_tokens),
                                  tokens.emplace_back());
  }
  if (missing.empty()) return vectors;
  const torch::Tensor encoded =
      state.model
          ->encode_queries(
              pack_queries(tokens, state.options.model.query_max_tokens, state.special))
          .contiguous();
  for (size_t i = 0; i < missing.size(); ++i) {
    const auto vector = row_of(encoded, static_cast<int64_t>(i));
    copy_row(vector, vectors, static_cast<int64_t>(missing[i].subject));
    if (snapshot.queries.find(missing[i].key).empty()) snapshot.queries.add(missing[i].key, vector);
  }
  return vectors;
}

}  // namespace lemur
