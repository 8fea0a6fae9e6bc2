// The part of IngestWriter that writes features, counters and events.
#include <algorithm>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"
#include "lemur/data/ingest_writer.h"
#include "lemur/data/ragged_file.h"

namespace lemur {
namespace {

constexpr const char* kWhere = "ingest";
constexpr double kMsPerDay = 86'400'000;

/// Writes the keys of one category column: of one text, of a text cut by a separator, or of a list.
class CategoryWriter {
 public:
  CategoryWriter(const FolderWriter& folder, size_t feature, std::string separator)
      : file_(folder, fmt::format("feature_{}", feature), ".keys.u64"),
        separator_(std::move(separator)) {}

  void append(const ColumnView& column, size_t row, bool is_list) {
    keys_.clear();
    items_.clear();
    if (!column.is_null(row)) {
      if (is_list) {
        column.text_list(row, items_);
      } else {
        split(column.text(row));
      }
    }
    for (std::string_view item : items_)
      if (!item.empty()) keys_.push_back(hash_bytes(item));
    empty_rows_ += keys_.empty();
    file_.append(std::span<const uint64_t>(keys_));
  }
  void append_empty() {
    ++empty_rows_;
    file_.append(std::span<const uint64_t>());
  }
  /// Returns the number of rows without a value.
  int64_t close() {
    file_.close();
    return empty_rows_;
  }

 private:
  void split(std::string_view text) {
    while (!separator_.empty()) {
      size_t cut = text.find(separator_);
      if (cut == std::string_view::npos) break;
      items_.push_back(text.substr(0, cut));
      text.remove_prefix(cut + separator_.size());
    }
    items_.push_back(text);
  }

  RaggedFile file_;
  std::string separator_;
  std::vector<std::string_view> items_;
  std::vector<uint64_t> keys_;
  int64_t empty_rows_ = 0;
};

bool is_list(const IngestSource& source, const std::string& column) {
  return source.column(column).sql_type.ends_with("[]");
}

/// The column as texts, or as a list of texts.
std::string category_sql(const IngestSource& source, const std::string& alias,
                         const std::string& column) {
  return "CAST(" + alias + "." + sql_name(column) +
         (is_list(source, column) ? " AS VARCHAR[])" : " AS VARCHAR)");
}

std::string number_sql(const std::string& column) { return "TRY_CAST(" + column + " AS DOUBLE)"; }

/// The standardised value; 0 where it is missing.
std::string standardized_sql(const std::string& value, const StoreSchema::Feature& feature) {
  return fmt::format("coalesce(({} - {:.17g}) / {:.17g}, 0)", value, feature.mean,
                     feature.deviation);
}

}  // namespace

void IngestWriter::check_numbers(const std::string& table, const IngestSource& source,
                                 const std::string& column) {
  std::string value = number_sql(sql_name(column)),
              text = "CAST(" + sql_name(column) + " AS VARCHAR)";
  database_.query("SELECT __row, " + text + " FROM " + table + " WHERE " + text +
                      " IS NOT NULL AND " + text + " != '' AND (" + value +
                      " IS NULL OR NOT isfinite(" + value + ")) ORDER BY __row LIMIT 1",
                  [&](std::span<const ColumnView> view, size_t rows) {
                    if (rows > 0)
                      fail<DataError>(
                          kWhere, "{}: column '{}' holds {} at row {}; expected a finite number",
                          source.name(), column, view[1].text(0), view[0].int64(0));
                  });
}

void IngestWriter::scale_number(StoreSchema::Feature& feature, const std::string& value,
                                const std::string& from, const std::string& train_condition) {
  database_.query(
      "SELECT avg(v), stddev_pop(v), count(*) - count(v) FROM (SELECT " + value + " AS v FROM " +
          from + " WHERE " + train_condition + ")",
      [&](std::span<const ColumnView> view, size_t) {
        feature.mean = view[0].is_null(0) ? 0 : view[0].number(0);
        feature.deviation = view[1].is_null(0) || view[1].number(0) < 1e-12 ? 1 : view[1].number(0);
        summary_["features"][feature.of + " " + feature.name] = {{"mean", feature.mean},
                                                                 {"deviation", feature.deviation},
                                                                 {"missing", view[2].int64(0)}};
      });
}

void IngestWriter::write_document_features() {
  const DataOptions& data = options_.data;
  for (size_t i = 0; i < data.feature.size(); ++i) {
    const FeatureOptions& option = data.feature[i];
    StoreSchema::Feature feature{.name = option.column,
                                 .of = option.of,
                                 .is_number = option.kind == "number",
                                 .is_document_id = option.kind == "category" &&
                                                   option.of == "document" &&
                                                   option.column == data.columns.document,
                                 .width = option.width,
                                 .admit_after = option.admit_after,
                                 .expire_days = option.expire_days};
    bool of_document = option.of == "document";
    const IngestSource& source = of_document ? tables_.documents() : tables_.events();
    if (feature.is_number)
      check_numbers(of_document ? "documents" : "raw_events", source, option.column);
    if (!of_document) {
      std::string column = "e." + sql_name(option.column);
      if (feature.is_number)
        scale_number(feature, number_sql(column), "raw_events e", "__split = 'train'");
      event_features_.push_back({schema_.features.size(),
                                 feature.is_number ? standardized_sql(number_sql(column), feature)
                                                   : category_sql(source, "e", option.column),
                                 feature.is_number, is_list(source, option.column),
                                 option.separator});
    } else if (feature.is_number) {
      scale_number(feature, number_sql(sql_name(option.column)), "documents", "true");
      ColumnFile file(folder_.file(fmt::format("feature_{}.f32", i)));
      uint64_t written = 0;
      database_.query("SELECT " + standardized_sql(number_sql(sql_name(option.column)), feature) +
                          " FROM documents ORDER BY __row",
                      [&](std::span<const ColumnView> view, size_t rows) {
                        for (size_t row = 0; row < rows; ++row, ++written)
                          file.append(static_cast<float>(view[0].number(row)));
                      });
      for (; written < schema_.num_documents; ++written) file.append(0.0F);
      file.close();
    } else {
      CategoryWriter file(folder_, i, option.separator);
      bool list = is_list(source, option.column);
      uint64_t written = 0;
      database_.query(
          "SELECT " + category_sql(source, "d", option.column) + " FROM documents d ORDER BY __row",
          [&](std::span<const ColumnView> view, size_t rows) {
            for (size_t row = 0; row < rows; ++row, ++written) file.append(view[0], row, list);
          });
      // An unknown document is known by its ID alone.
      if (feature.is_document_id)
        database_.query(
            "SELECT id FROM document_numbers WHERE number >= (SELECT count(*) FROM documents) "
            "ORDER BY number",
            [&](std::span<const ColumnView> view, size_t rows) {
              for (size_t row = 0; row < rows; ++row, ++written) file.append(view[0], row, false);
            });
      for (; written < schema_.num_documents; ++written) file.append_empty();
      summary_["features"][feature.of + " " + feature.name] = {{"missing", file.close()}};
    }
    schema_.features.push_back(feature);
  }
  add_counter_features();
}

std::string IngestWriter::split_condition(const std::vector<std::string>& splits) const {
  if (splits.empty()) return "true";
  std::string list;
  for (const auto& split : splits) list += (list.empty() ? "" : ", ") + sql_literal(split);
  return "__split IN (" + list + ")";
}

void IngestWriter::compute_counters() {
  const DataOptions& data = options_.data;
  if (data.counter.empty()) return;
  std::string columns, joined;
  for (size_t i = 0; i < data.counter.size(); ++i) {
    const CounterOptions& counter = data.counter[i];
    auto label = std::find(schema_.labels.begin(), schema_.labels.end(), counter.label);
    if (label == schema_.labels.end())
      fail<InvalidArgument>(kWhere, "a counter counts label '{}', which data.columns.labels lacks",
                            counter.label);
    std::string key;
    for (const std::string& column : counter.by) {
      bool of_event = tables_.events().has(column) && column != data.columns.document;
      if (!of_event) tables_.documents().require(column);
      key += fmt::format("{}CAST({}.{} AS VARCHAR)", key.empty() ? "" : ", ", of_event ? "e" : "d",
                         sql_name(column));
    }
    // Earlier by at least one millisecond: events of one time see nothing of each other.
    auto delay = static_cast<int64_t>(counter.delay_seconds * 1000) + 1;
    std::string from =
        counter.window_days > 0
            ? fmt::format("{} PRECEDING", static_cast<int64_t>(counter.window_days * kMsPerDay))
            : "UNBOUNDED PRECEDING";
    std::string frame =
        fmt::format("ORDER BY __time RANGE BETWEEN {} AND {} PRECEDING", from, delay);
    std::string clicks =
        fmt::format("sum(__label_{}) FILTER (WHERE {})", label - schema_.labels.begin(),
                    split_condition(counter.splits));
    std::string count = "count(*) FILTER (WHERE " + split_condition(counter.splits) + ")";
    columns += fmt::format(
        ", coalesce({0} OVER (PARTITION BY {2} {3}), 0) AS clicks_{4}, {1} OVER (PARTITION BY {2} "
        "{3}) AS count_{4}, "
        "coalesce({0} OVER ({3}), 0) AS all_clicks_{4}, {1} OVER ({3}) AS all_count_{4}",
        clicks, count, key, frame, i);
    joined += fmt::format(
        ", (clicks_{0} + {1:.17g} * (all_clicks_{0} + 1) / (all_count_{0} + 2)) / (count_{0} + "
        "{1:.17g}) AS rate_{0}, ln(1 + count_{0}) AS seen_{0}",
        i, counter.smoothing);
  }
  database_.execute("CREATE TABLE counted AS SELECT __row, __split" + joined +
                    " FROM (SELECT e.__row, e.__split" + columns +
                    " FROM raw_events e LEFT JOIN documents d ON d.__id = e.__document)");
  has_counters_ = true;
}

void IngestWriter::add_counter_features() {
  const auto& columns = options_.data.columns;
  for (size_t i = 0; i < options_.data.counter.size(); ++i) {
    const CounterOptions& counter = options_.data.counter[i];
    bool of_user = counter.by == std::vector<std::string>{columns.user};
    bool has_user =
        std::find(counter.by.begin(), counter.by.end(), columns.user) != counter.by.end();
    std::string by = fmt::format("{}", fmt::join(counter.by, ","));
    for (const char* kind : {"rate", "count"}) {
      StoreSchema::Feature feature{.name = fmt::format("{}({}) of {}", kind, by, counter.label),
                                   .of = of_user ? "user" : (has_user ? "cross" : "context"),
                                   .is_number = true};
      std::string value =
          fmt::format("c.{}_{}", kind == std::string_view("rate") ? "rate" : "seen", i);
      // Without smoothing a key that was never seen has no rate.
      value = fmt::format("CASE WHEN isfinite({0}) THEN {0} END", value);
      scale_number(feature, value, "counted c", "__split = 'train'");
      event_features_.push_back({schema_.features.size(), standardized_sql(value, feature), true});
      schema_.features.push_back(feature);
    }
  }
}

std::string IngestWriter::events_sql() const {
  std::string sql = "SELECT e.__time, u.number, d.number, " +
                    std::string(schema_.has_queries ? "q.number" : "CAST(NULL AS BIGINT)") +
                    ", e.__row, e.__weight, e.__request";
  for (size_t k = 0; k < schema_.labels.size(); ++k)
    sql += fmt::format(", CAST(e.__label_{} AS BIGINT)", k);
  for (const EventFeature& feature : event_features_) sql += ", " + feature.sql;
  sql +=
      " FROM raw_events e JOIN splits s ON s.name = e.__split JOIN user_numbers u ON u.id = "
      "e.__user JOIN document_numbers d ON d.id = e.__document";
  if (schema_.has_queries) sql += " LEFT JOIN query_numbers q ON q.raw = e.__query";
  if (has_counters_) sql += " JOIN counted c ON c.__row = e.__row";
  return sql + " ORDER BY s.number, e.__time, e.__row";
}

void IngestWriter::write_events() {
  ColumnFile times(folder_.file("event_time.i64")), users(folder_.file("event_user.u32")),
      documents(folder_.file("event_document.u32"));
  ColumnFile queries(folder_.file("event_query.u32")), requests(folder_.file("event_request.u64")),
      input_rows(folder_.file("event_row.u64"));
  ColumnFile weights(folder_.file("event_weight.f32"));
  std::unique_ptr<RaggedFile> request_ids;
  if (schema_.has_requests)
    request_ids = std::make_unique<RaggedFile>(folder_, "request_ids", ".bytes");
  std::vector<ColumnFile> labels, numbers;
  std::vector<CategoryWriter> categories;
  for (size_t k = 0; k < schema_.labels.size(); ++k)
    labels.emplace_back(folder_.file(fmt::format("label_{}.u8", k)));
  for (const EventFeature& feature : event_features_) {
    if (feature.is_number) {
      numbers.emplace_back(folder_.file(fmt::format("feature_{}.f32", feature.index)));
    } else {
      categories.emplace_back(folder_, feature.index, feature.separator);
    }
  }
  std::vector<int64_t> positives(schema_.labels.size());
  int64_t done = 0, without_query = 0;
  auto total = static_cast<int64_t>(schema_.num_events);
  database_.query(events_sql(), [&](std::span<const ColumnView> view, size_t rows) {
    for (size_t row = 0; row < rows; ++row) {
      int64_t time = view[0].int64(row);
      auto user = static_cast<uint32_t>(view[1].int64(row));
      uint32_t query = view[3].is_null(row) ? kNone : static_cast<uint32_t>(view[3].int64(row));
      without_query += query == kNone;
      times.append(time);
      users.append(user);
      documents.append(static_cast<uint32_t>(view[2].int64(row)));
      queries.append(query);
      input_rows.append(static_cast<uint64_t>(view[4].int64(row)));
      weights.append(static_cast<float>(view[5].number(row)));
      if (schema_.has_requests) {
        requests.append(hash_bytes(view[6].text(row)));
        request_ids->append(view[6].text(row));
      } else {
        requests.append(hash_combine(hash_combine(user, query == kNone ? 0 : query_keys_[query]),
                                     static_cast<uint64_t>(time)));
      }
      size_t column = 7, number = 0, category = 0;
      for (size_t k = 0; k < labels.size(); ++k) {
        auto label = static_cast<uint8_t>(view[column++].int64(row));
        positives[k] += label;
        labels[k].append(label);
      }
      for (const EventFeature& feature : event_features_) {
        const ColumnView& value = view[column++];
        if (feature.is_number) {
          numbers[number++].append(static_cast<float>(value.number(row)));
        } else {
          categories[category++].append(value, row, feature.is_list);
        }
      }
    }
    if (options_.progress) options_.progress("events", done += static_cast<int64_t>(rows), total);
  });
  for (ColumnFile* file : {&times, &users, &documents, &queries, &requests, &input_rows, &weights})
    file->close();
  for (ColumnFile& file : labels) file.close();
  for (ColumnFile& file : numbers) file.close();
  if (request_ids) request_ids->close();
  size_t category = 0;
  for (const EventFeature& feature : event_features_)
    if (!feature.is_number)
      summary_["features"]
              [schema_.features[feature.index].of + " " + schema_.features[feature.index].name] = {
                  {"missing", categories[category++].close()}};
  for (size_t k = 0; k < labels.size(); ++k)
    summary_["events"]["label_rate"][schema_.labels[k]] =
        static_cast<double>(positives[k]) / static_cast<double>(std::max<int64_t>(total, 1));
  if (schema_.has_queries) summary_["events"]["without_query"] = without_query;
}

}  // namespace lemur
