#include "lemur/data/ingest_content.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "lemur/base/hash.h"
#include "lemur/data/ragged_file.h"
#include "lemur/data/share.h"
#include "lemur/text/vocabulary_trainer.h"
#include "lemur/text/word_splitter.h"

namespace lemur {
namespace {

constexpr size_t kPart = 64;  // texts that a thread takes at a time

}  // namespace

IngestContent::IngestContent(IngestContext& context, const IngestTables& tables)
    : context_(context), tables_(tables) {}

void IngestContent::train_vocabulary() {
  const TokenizerOptions& options = context_.options.tokenizer;
  VocabularyTrainer trainer({.size = options.vocabulary,
                             .min_count = options.min_count,
                             .lower_case = options.lower_case,
                             .threads = context_.options.threads});
  uint64_t done = 0;
  auto add = [&](std::span<const ColumnView> view, size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row)
      for (const ColumnView& column : view)
        if (!column.is_null(row)) trainer.add(column.text(row));
    context_.report("vocabulary", done += end - begin);
  };
  std::string fields;
  for (const auto& field : context_.schema.text)
    fields += ", " + tables_.documents().text_sql(field.name);
  uint32_t document = 0;
  if (!fields.empty())
    tables_.query_documents(fields, [&](std::span<const ColumnView> view, size_t rows) {
      for (size_t row = 0; row < rows; ++row)
        if (tables_.is_in_training(document++)) add(view, row, row + 1);
    });
  if (context_.schema.has_queries)
    context_.database.query(
        "SELECT DISTINCT __query FROM events WHERE __query IS NOT NULL AND __split = 'train'",
        [&](std::span<const ColumnView> view, size_t rows) { add(view, 0, rows); });
  tokenizer_.emplace(trainer.train(), options.lower_case);
}

void IngestContent::write_vocabulary() {
  const TokenizerOptions& options = context_.options.tokenizer;
  if (options.vocab.empty()) {
    train_vocabulary();
  } else {
    tokenizer_.emplace(Tokenizer::load(context_.options.base / options.vocab, options.lower_case));
  }
  std::string lines;
  for (const std::string& piece : tokenizer_->pieces()) lines += piece + '\n';
  write_file_atomically(context_.folder.file("vocab.txt"), lines);
  context_.schema.vocabulary_size = static_cast<int64_t>(tokenizer_->pieces().size());
}

std::vector<std::vector<int32_t>> IngestContent::tokenize(
    const std::vector<std::string_view>& texts, const std::vector<size_t>& max_tokens) const {
  std::vector<std::vector<int32_t>> tokens(texts.size());
  share(texts.size(), kPart, context_.options.threads, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
      tokenizer_->encode(texts[i], max_tokens[i % max_tokens.size()], tokens[i]);
  });
  return tokens;
}

void IngestContent::write_documents() {
  const auto& fields = context_.schema.text;
  RaggedFile ids(context_.folder, "document_ids", ".bytes"),
      tokens(context_.folder, "document_tokens", ".i32");
  ColumnFile keys(context_.folder.file("document_keys.u64"));
  std::vector<size_t> max_tokens;
  std::string columns = ", __id";
  for (const auto& field : fields) {
    max_tokens.push_back(static_cast<size_t>(field.max_tokens) + 1);  // one more shows a cut
    columns += ", " + tables_.documents().text_sql(field.name);
  }
  std::vector<FieldCounts> counts(fields.size());
  auto append_id = [&](std::string_view id) {
    ids.append(id);
    keys.append(hash_bytes(id));
    ++context_.schema.num_documents;
  };
  tables_.query_documents(columns, [&](std::span<const ColumnView> view, size_t rows) {
    std::vector<std::string_view> texts;
    for (size_t row = 0; row < rows; ++row) {
      append_id(view[0].text(row));
      for (const ColumnView& field : view.subspan(1))
        texts.push_back(field.is_null(row) ? std::string_view() : field.text(row));
    }
    auto encoded = tokenize(texts, max_tokens);
    for (size_t i = 0; i < encoded.size(); ++i) {
      FieldCounts& count = counts[i % fields.size()];
      if (encoded[i].size() == max_tokens[i % fields.size()]) encoded[i].pop_back(), ++count.cut;
      count.tokens += static_cast<int64_t>(encoded[i].size());
      count.longest = std::max(count.longest, static_cast<int64_t>(encoded[i].size()));
      tokens.append(std::span<const int32_t>(encoded[i]));
    }
    context_.report("documents", context_.schema.num_documents);
  });
  tables_.query_unknown_documents([&](std::string_view id) {
    append_id(id);
    for (size_t f = 0; f < fields.size(); ++f) tokens.append(std::span<const int32_t>());
  });
  ids.close(), tokens.close(), keys.close();
  auto num_documents = static_cast<double>(context_.schema.num_documents);
  for (size_t f = 0; f < fields.size(); ++f)
    context_.summary["text"][fields[f].name] = {
        {"mean_tokens", static_cast<double>(counts[f].tokens) / num_documents},
        {"max_tokens", counts[f].longest},
        {"cut", counts[f].cut}};
  context_.summary["documents"]["kept"] = context_.schema.num_documents;
}

std::vector<std::string> IngestContent::normalize(const ColumnView& texts, size_t num_rows) const {
  std::vector<std::string> normalized(num_rows);
  share(num_rows, kPart, context_.options.threads, [&](size_t begin, size_t end) {
    WordSplitter splitter(context_.options.tokenizer.lower_case);
    for (size_t row = begin; row < end; ++row) normalized[row] = splitter.joined(texts.text(row));
  });
  return normalized;
}

void IngestContent::write_queries() {
  RaggedFile texts(context_.folder, "query_texts", ".bytes"),
      tokens(context_.folder, "query_tokens", ".i32");
  ColumnFile keys(context_.folder.file("query_keys.u64"));
  std::unordered_map<uint64_t, uint32_t> numbers;
  uint64_t num_tokens = 0, longest = 0;
  auto consume = [&](std::span<const ColumnView> view, size_t rows) {
    std::vector<std::string> normalized = normalize(view[0], rows);
    std::vector<std::string_view> added;
    for (const std::string& text : normalized) {
      query_of_.push_back(kNone);
      if (text.empty()) continue;
      uint64_t key = hash_bytes(text);
      auto [entry, is_new] = numbers.try_emplace(key, static_cast<uint32_t>(query_keys_.size()));
      query_of_.back() = entry->second;
      if (!is_new) continue;
      query_keys_.push_back(key);
      keys.append(key);
      texts.append(std::string_view(text));
      added.push_back(text);
    }
    for (const auto& ids : tokenize(added, {std::numeric_limits<int32_t>::max()})) {
      num_tokens += ids.size();
      longest = std::max<uint64_t>(longest, ids.size());
      tokens.append(std::span<const int32_t>(ids));
    }
    context_.report("queries", query_of_.size());
  };
  if (context_.schema.has_queries)
    context_.database.query("SELECT id FROM raw_queries ORDER BY number", consume);
  texts.close(), tokens.close(), keys.close();
  context_.schema.num_queries = query_keys_.size();
  context_.summary["queries"] = {
      {"distinct", query_keys_.size()},
      {"spellings", query_of_.size()},
      {"without_a_word", std::ranges::count(query_of_, kNone)},
      {"mean_tokens", static_cast<double>(num_tokens) /
                          static_cast<double>(std::max<size_t>(query_keys_.size(), 1))},
      {"max_tokens", longest}};
}

void IngestContent::write_users() {
  RaggedFile ids(context_.folder, "user_ids", ".bytes");
  context_.database.query("SELECT id FROM users ORDER BY number",
                          [&](std::span<const ColumnView> view, size_t rows) {
                            for (size_t row = 0; row < rows; ++row) ids.append(view[0].text(row));
                            context_.schema.num_users += rows;
                          });
  ids.close();
  context_.summary["users"] = context_.schema.num_users;
}

}  // namespace lemur
