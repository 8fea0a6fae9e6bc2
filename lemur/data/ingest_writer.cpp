#include "lemur/data/ingest_writer.h"

#include <algorithm>
#include <limits>
#include <thread>
#include <unordered_map>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"
#include "lemur/data/ragged_file.h"
#include "lemur/text/vocabulary_trainer.h"

namespace lemur {
namespace {

constexpr const char* kWhere = "ingest";

void report(const IngestOptions& options, const char* stage, int64_t done, int64_t total) {
  if (options.progress) options.progress(stage, done, total);
}

/// Tokenises texts [n] with several threads, each a slice of its own; texts of slot i are cut to
/// max_tokens[i % max_tokens.size()].
std::vector<std::vector<int32_t>> tokenize(const Tokenizer& tokenizer,
                                           const std::vector<std::string_view>& texts,
                                           const std::vector<size_t>& max_tokens, int64_t threads) {
  std::vector<std::vector<int32_t>> tokens(texts.size());
  size_t workers = static_cast<size_t>(std::max<int64_t>(threads, 1)),
         slice = texts.size() / workers + 1;
  auto work = [&](size_t begin) {
    for (size_t i = begin; i < std::min(begin + slice, texts.size()); ++i)
      tokenizer.encode(texts[i], max_tokens[i % max_tokens.size()], tokens[i]);
  };
  std::vector<std::jthread> pool;
  for (size_t begin = slice; begin < texts.size(); begin += slice) pool.emplace_back(work, begin);
  work(0);
  return tokens;
}

std::string text_sql(const std::string& column) {
  return "coalesce(CAST(" + sql_name(column) + " AS VARCHAR), '')";
}

}  // namespace

IngestWriter::IngestWriter(Database& database, const IngestOptions& options,
                           const IngestTables& tables, FolderWriter& folder,
                           nlohmann::json& summary)
    : database_(database), options_(options), tables_(tables), folder_(folder), summary_(summary) {
  const DataOptions& data = options.data;
  for (const auto& field : data.text) schema_.text.push_back({field.column, field.max_tokens});
  for (const auto& history : data.history)
    schema_.histories.push_back({history.name, history.length});
  schema_.labels = data.columns.labels;
  schema_.has_queries = !data.columns.query.empty();
  schema_.has_requests = !data.columns.request.empty();
  uint64_t begin = 0;
  database_.query(
      "SELECT name, rows FROM splits ORDER BY number",
      [&](std::span<const ColumnView> view, size_t rows) {
        for (size_t row = 0; row < rows; ++row) {
          auto count = static_cast<uint64_t>(view[1].int64(row));
          schema_.splits.push_back({std::string(view[0].text(row)), begin, begin + count});
          summary_["events"]["splits"][std::string(view[0].text(row))] = count;
          begin += count;
        }
      });
  schema_.num_events = begin;
  for (const auto& label : schema_.labels) action_number(label);
  action_number("impression");
}

uint8_t IngestWriter::action_number(std::string_view name) {
  auto known = action_numbers_.find(name);
  if (known != action_numbers_.end()) return known->second;
  if (schema_.actions.size() >= 255)
    fail<DataError>(kWhere, "more than 255 kinds of actions; the next is '{}'", name);
  schema_.actions.emplace_back(name);
  return action_numbers_[std::string(name)] = static_cast<uint8_t>(schema_.actions.size() - 1);
}

void IngestWriter::write_vocabulary() {
  const TokenizerOptions& tokenizer = options_.tokenizer;
  if (!tokenizer.vocab.empty()) {
    tokenizer_ = std::make_unique<Tokenizer>(
        Tokenizer::load(options_.base / tokenizer.vocab, tokenizer.lower_case));
  } else {
    VocabularyTrainer trainer({.size = tokenizer.vocabulary,
                               .min_count = tokenizer.min_count,
                               .lower_case = tokenizer.lower_case,
                               .threads = options_.threads});
    int64_t texts = 0;
    auto add = [&](const std::string& sql) {
      database_.query(sql, [&](std::span<const ColumnView> view, size_t rows) {
        for (size_t row = 0; row < rows; ++row)
          for (const ColumnView& column : view) trainer.add(column.text(row));
        report(options_, "vocabulary", texts += static_cast<int64_t>(rows), 0);
      });
    };
    std::string fields;
    for (const auto& field : schema_.text)
      fields += (fields.empty() ? "" : ", ") + text_sql(field.name);
    if (!fields.empty()) add("SELECT " + fields + " FROM documents");
    if (schema_.has_queries)
      add("SELECT DISTINCT __query FROM raw_events WHERE __query IS NOT NULL AND __split = "
          "'train'");
    tokenizer_ = std::make_unique<Tokenizer>(trainer.train(), tokenizer.lower_case);
  }
  std::string lines;
  for (const std::string& piece : tokenizer_->pieces()) lines += piece + '\n';
  write_file_atomically(folder_.file("vocab.txt"), lines);
  schema_.vocabulary_size = static_cast<int64_t>(tokenizer_->pieces().size());
}

void IngestWriter::write_documents() {
  RaggedFile ids(folder_, "document_ids", ".bytes"), tokens(folder_, "document_tokens", ".i32");
  ColumnFile keys(folder_.file("document_keys.u64"));
  size_t fields = schema_.text.size();
  std::vector<size_t> max_tokens;
  std::string columns;
  for (const auto& field : schema_.text) {
    max_tokens.push_back(static_cast<size_t>(field.max_tokens) + 1);  // one more tells what was cut
    columns += ", " + text_sql(field.name);
  }
  std::vector<int64_t> totals(fields), longest(fields), cut(fields);
  int64_t total = database_.query_int64("SELECT count(*) FROM document_numbers"), done = 0;
  auto consume = [&](std::span<const ColumnView> view, size_t rows) {
    std::vector<std::string_view> texts;
    for (size_t row = 0; row < rows; ++row) {
      ids.append(view[0].text(row));
      keys.append(hash_bytes(view[0].text(row)));
      for (size_t f = 0; f < fields; ++f)
        texts.push_back(view.size() > 1 ? view[f + 1].text(row) : std::string_view());
    }
    if (fields > 0) {
      auto encoded = tokenize(*tokenizer_, texts, max_tokens, options_.threads);
      for (size_t i = 0; i < encoded.size(); ++i) {
        size_t f = i % fields;
        if (encoded[i].size() == max_tokens[f]) encoded[i].pop_back(), ++cut[f];
        totals[f] += static_cast<int64_t>(encoded[i].size());
        longest[f] = std::max(longest[f], static_cast<int64_t>(encoded[i].size()));
        tokens.append(std::span<const int32_t>(encoded[i]));
      }
    }
    report(options_, "documents", done += static_cast<int64_t>(rows), total);
  };
  database_.query("SELECT __id" + columns + " FROM documents ORDER BY __row", consume);
  database_.query(
      "SELECT id FROM document_numbers WHERE number >= (SELECT count(*) FROM documents) ORDER BY "
      "number",
      consume);
  ids.close(), tokens.close(), keys.close();
  schema_.num_documents = static_cast<uint64_t>(done);
  for (size_t f = 0; f < fields; ++f)
    summary_["text"][schema_.text[f].name] = {
        {"mean_tokens",
         done > 0 ? static_cast<double>(totals[f]) / static_cast<double>(done) : 0.0},
        {"max_tokens", longest[f]},
        {"cut", cut[f]}};
  write_first_seen();
}

void IngestWriter::write_first_seen() {
  std::vector<int64_t> first(schema_.num_documents, std::numeric_limits<int64_t>::max());
  database_.query(
      "SELECT d.number, min(e.__time) FROM raw_events e JOIN document_numbers d ON d.id = "
      "e.__document GROUP BY 1",
      [&](std::span<const ColumnView> view, size_t rows) {
        for (size_t row = 0; row < rows; ++row)
          first[static_cast<size_t>(view[0].int64(row))] = view[1].int64(row);
      });
  ColumnFile file(folder_.file("document_first_seen.i64"));
  file.append(first.data(), first.size() * sizeof(int64_t));
  file.close();
}

void IngestWriter::write_queries() {
  RaggedFile texts(folder_, "query_texts", ".bytes"), tokens(folder_, "query_tokens", ".i32");
  ColumnFile keys(folder_.file("query_keys.u64"));
  if (schema_.has_queries) {
    std::unordered_map<std::string, uint32_t> numbers;
    std::vector<int32_t> ids;
    ParquetWriter raw(folder_.file("queries.parquet").string(),
                      {{"raw", ColumnType::kText}, {"number", ColumnType::kInt64}});
    database_.query(
        "SELECT __query FROM raw_events WHERE __query IS NOT NULL GROUP BY 1 ORDER BY min(__row)",
        [&](std::span<const ColumnView> view, size_t rows) {
          for (size_t row = 0; row < rows; ++row) {
            std::string text =
                fmt::format("{}", fmt::join(tokenizer_->words(view[0].text(row)), " "));
            if (text.empty()) continue;
            auto [entry, is_new] = numbers.try_emplace(text, static_cast<uint32_t>(numbers.size()));
            raw.append(view[0].text(row)), raw.append(static_cast<int64_t>(entry->second)),
                raw.end_row();
            if (!is_new) continue;
            query_keys_.push_back(hash_bytes(text));
            keys.append(query_keys_.back());
            texts.append(std::string_view(text));
            ids.clear();
            tokenizer_->encode(text, std::numeric_limits<int32_t>::max(), ids);
            tokens.append(std::span<const int32_t>(ids));
          }
        });
    raw.finish();
    database_.execute("CREATE TABLE query_numbers AS SELECT * FROM read_parquet(" +
                      sql_literal(folder_.file("queries.parquet").string()) + ")");
    std::filesystem::remove(folder_.file("queries.parquet"));
  }
  texts.close(), tokens.close(), keys.close();
  schema_.num_queries = query_keys_.size();
}

void IngestWriter::write_users() {
  RaggedFile ids(folder_, "user_ids", ".bytes");
  database_.query("SELECT id FROM user_numbers ORDER BY number",
                  [&](std::span<const ColumnView> view, size_t rows) {
                    for (size_t row = 0; row < rows; ++row) ids.append(view[0].text(row));
                    schema_.num_users += rows;
                  });
  ids.close();
}

void IngestWriter::write_histories() {
  for (size_t h = 0; h < schema_.histories.size(); ++h) {
    std::string stem = fmt::format("history_{}", h);
    ColumnFile offsets(folder_.file(stem + ".offsets.u64")),
        documents(folder_.file(stem + ".documents.u32"));
    ColumnFile times(folder_.file(stem + ".times.i64")),
        actions(folder_.file(stem + ".actions.u8"));
    uint64_t count = 0, user = 0, users_with_any = 0;
    database_.query(tables_.history_sql(h), [&](std::span<const ColumnView> view, size_t rows) {
      for (size_t row = 0; row < rows; ++row, ++count) {
        auto of = static_cast<uint64_t>(view[0].int64(row));
        users_with_any += count == 0 || of + 1 != user;
        for (; user <= of; ++user) offsets.append(count);
        times.append(view[1].int64(row));
        documents.append(static_cast<uint32_t>(view[2].int64(row)));
        actions.append(action_number(view[3].text(row)));
      }
      report(options_, "histories", static_cast<int64_t>(count), 0);
    });
    for (; user <= schema_.num_users; ++user) offsets.append(count);
    offsets.close(), documents.close(), times.close(), actions.close();
    summary_["histories"][schema_.histories[h].name] = {{"actions", count},
                                                        {"users_with_any", users_with_any}};
  }
}

}  // namespace lemur
