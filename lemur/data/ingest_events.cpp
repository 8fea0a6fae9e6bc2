#include "lemur/data/ingest_events.h"

#include <limits>
#include <memory>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"
#include "lemur/data/ingest_counters.h"
#include "lemur/data/ingest_features.h"
#include "lemur/data/ragged_file.h"

namespace lemur {
namespace {

/// Writes one row after the other; rows come in the order of the store.
class EventWriter {
 public:
  EventWriter(IngestContext& context, const IngestTables& tables, const IngestContent& content);

  std::string sql() const;
  void append(std::span<const ColumnView> view, size_t rows);
  void close();

 private:
  ColumnFile column(const std::string& name) const {
    return ColumnFile(context_.folder.file(name));
  }
  void append_row(std::span<const ColumnView> view, size_t row);
  void write_first_seen() const;
  void summarize();

  // Columns of the statement before the labels.
  enum { kTime, kRequestTime, kUser, kDocument, kRow, kWeight, kQuery, kRequest, kLabels };

  IngestContext& context_;
  const IngestContent& content_;
  ColumnFile times_, request_times_, users_, documents_, queries_, requests_, rows_, weights_;
  std::unique_ptr<RaggedFile> request_ids_;
  std::vector<ColumnFile> labels_;
  FeatureColumns features_;
  std::vector<CounterPass> counters_;
  std::vector<int64_t> first_seen_;               // per document
  std::vector<std::vector<uint64_t>> positives_;  // per split and label
  uint64_t num_rows_ = 0, without_query_ = 0, without_weight_ = 0;
  size_t split_ = 0;  // of row num_rows_
};

EventWriter::EventWriter(IngestContext& context, const IngestTables& tables,
                         const IngestContent& content)
    : context_(context),
      content_(content),
      times_(column("event_time.i64")),
      request_times_(column("event_request_time.i64")),
      users_(column("event_user.u32")),
      documents_(column("event_document.u32")),
      queries_(column("event_query.u32")),
      requests_(column("event_request.u64")),
      rows_(column("event_row.u64")),
      weights_(column("event_weight.f32")),
      features_(context, tables, false),
      first_seen_(context.schema.num_documents, std::numeric_limits<int64_t>::max()),
      positives_(context.schema.splits.size(),
                 std::vector<uint64_t>(context.schema.labels.size())) {
  if (context.schema.has_requests)
    request_ids_ = std::make_unique<RaggedFile>(context.folder, "request_ids", ".bytes");
  for (size_t k = 0; k < context.schema.labels.size(); ++k)
    labels_.push_back(column(fmt::format("label_{}.u8", k)));
  for (size_t i = 0; i < context.options.data.counter.size(); ++i)
    counters_.emplace_back(context, tables, i);
}

std::string EventWriter::sql() const {
  std::string sql =
      std::string("SELECT e.__time, e.__request_time, u.number, d.number, e.__row, e.__weight, ") +
      (context_.schema.has_queries ? "q.number" : "NULL") + ", e.__request";
  for (size_t k = 0; k < labels_.size(); ++k) sql += fmt::format(", e.__label_{} = 1", k);
  sql += features_.sql("e.");
  for (const CounterPass& counter : counters_) sql += counter.sql();
  sql +=
      " FROM events e JOIN users u ON u.id = e.__user JOIN document_numbers d ON d.id = "
      "e.__document";
  if (context_.schema.has_queries) sql += " LEFT JOIN raw_queries q ON q.id = e.__query";
  sql += " ORDER BY CASE e.__split";
  const auto& splits = context_.schema.splits;
  for (size_t i = 0; i < splits.size(); ++i)
    sql += fmt::format(" WHEN {} THEN {}", sql_literal(splits[i].name), i);
  return sql + " END, e.__time, e.__row";
}

void EventWriter::append(std::span<const ColumnView> view, size_t rows) {
  for (size_t row = 0; row < rows; ++row) append_row(view, row);
  context_.report("events", num_rows_, context_.schema.num_events);
}

void EventWriter::append_row(std::span<const ColumnView> view, size_t row) {
  const auto& splits = context_.schema.splits;
  while (num_rows_ >= splits.at(split_).end) ++split_;
  ++num_rows_;
  int64_t time = view[kTime].int64(row), request_time = view[kRequestTime].int64(row);
  auto user = static_cast<uint32_t>(view[kUser].int64(row)),
       document = static_cast<uint32_t>(view[kDocument].int64(row));
  uint32_t query = view[kQuery].is_null(row) ? kNone : content_.query_of(view[kQuery].int64(row));
  without_query_ += query == kNone;
  first_seen_[document] = std::min(first_seen_[document], time);
  times_.append(time);
  request_times_.append(request_time);
  users_.append(user);
  documents_.append(document);
  queries_.append(query);
  rows_.append(static_cast<uint64_t>(view[kRow].int64(row)));
  auto weight = static_cast<float>(view[kWeight].number(row));
  without_weight_ += weight == 0;
  weights_.append(weight);
  if (request_ids_) {
    requests_.append(hash_bytes(view[kRequest].text(row)));
    request_ids_->append(view[kRequest].text(row));
  } else {
    uint64_t query_key = query == kNone ? 0 : content_.query_keys()[query];
    requests_.append(hash_combine(hash_combine(user, query_key), static_cast<uint64_t>(time)));
  }
  for (size_t k = 0; k < labels_.size(); ++k) {
    auto label = static_cast<uint8_t>(view[kLabels + k].int64(row));
    positives_[split_][k] += label;
    labels_[k].append(label);
  }
  std::span<const ColumnView> rest = view.subspan(kLabels + labels_.size());
  features_.append(rest, row, splits[split_].name == "train");
  rest = rest.subspan(features_.size());
  for (CounterPass& counter : counters_) {
    counter.append(time, request_time, document, view[kLabels + counter.label()].int64(row) != 0,
                   rest, row);
    rest = rest.subspan(counter.num_columns());
  }
}

void EventWriter::close() {
  ensure(num_rows_ == context_.schema.num_events, "ingest", "every event is written once");
  for (ColumnFile* file :
       {&times_, &request_times_, &users_, &documents_, &queries_, &requests_, &rows_, &weights_})
    file->close();
  for (ColumnFile& file : labels_) file.close();
  if (request_ids_) request_ids_->close();
  features_.close(context_);
  write_first_seen();
  summarize();
  for (CounterPass& counter : counters_) {
    context_.report("counters", static_cast<uint64_t>(&counter - counters_.data()),
                    counters_.size());
    counter.write_features(context_);
  }
}

void EventWriter::write_first_seen() const {
  ColumnFile file = column("document_first_seen.i64");
  file.append(first_seen_.data(), first_seen_.size() * sizeof(int64_t));
  file.close();
}

void EventWriter::summarize() {
  auto& events = context_.summary["events"];
  for (size_t s = 0; s < positives_.size(); ++s) {
    const StoreSchema::Split& split = context_.schema.splits[s];
    auto& note = events["splits"][split.name];
    note["rows"] = split.end - split.begin;
    for (size_t k = 0; k < labels_.size(); ++k)
      note["label_rate"][context_.schema.labels[k]] =
          static_cast<double>(positives_[s][k]) / static_cast<double>(split.end - split.begin);
  }
  if (context_.schema.has_queries) events["without_query"] = without_query_;
  if (!context_.options.data.columns.weight.empty()) events["of_weight_0"] = without_weight_;
}

}  // namespace

void write_events(IngestContext& context, const IngestTables& tables,
                  const IngestContent& content) {
  EventWriter writer(context, tables, content);
  context.database.query(writer.sql(), [&](std::span<const ColumnView> view, size_t rows) {
    writer.append(view, rows);
  });
  writer.close();
}

}  // namespace lemur
