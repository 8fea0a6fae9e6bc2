#include "lemur/data/ingest_histories.h"

#include <cmath>
#include <map>
#include <optional>

#include "lemur/base/error.h"
#include "lemur/features/action.h"
#include "lemur/features/condition.h"

namespace lemur {
namespace {

constexpr size_t kMaxActions = 255;

/// Numbers the names of actions.
class ActionNumbers {
 public:
  explicit ActionNumbers(std::vector<std::string>& names) : names_(names) {}

  uint8_t operator()(std::string_view name) {
    auto known = numbers_.find(name);
    if (known != numbers_.end()) return known->second;
    if (names_.size() >= kMaxActions)
      fail<DataError>("ingest", "there are more than {} kinds of actions; the next is '{}'",
                      kMaxActions, name);
    names_.emplace_back(name);
    return numbers_[std::string(name)] = static_cast<uint8_t>(names_.size() - 1);
  }

 private:
  std::vector<std::string>& names_;
  std::map<std::string, uint8_t, std::less<>> numbers_;
};

/// The past that a history takes from one table: the SQL of its rows, and where the columns of its
/// condition stand behind those.
struct Past {
  std::string sql;
  bool fits = true;  ///< the table has every column of the condition
};

/// SQL of a column of a condition over events, as text; nothing where events lack it. Labels are 0
/// and 1; the action is named by the labels unless events have a column of that name.
std::optional<std::string> event_sql(const IngestContext& context, const IngestTables& tables,
                                     const std::string& column, const std::string& action) {
  const auto& labels = context.schema.labels;
  const ColumnsOptions& columns = context.options.data.columns;
  for (size_t k = 0; k < labels.size(); ++k)
    if (labels[k] == column) return fmt::format("CAST(__label_{} AS VARCHAR)", k);
  if (column == columns.user) return "__user";
  if (column == columns.document) return "__document";
  if (tables.events().has(column)) return tables.events().text_sql(column);
  if (column == columns.action) return action;
  return std::nullopt;
}

std::optional<std::string> action_sql(const IngestContext& context, const IngestTables& tables,
                                      const std::string& column) {
  const ColumnsOptions& columns = context.options.data.columns;
  if (column == columns.user) return "__user";
  if (column == columns.document) return "__document";
  if (column == columns.action) return "__action";
  const IngestSource& source = tables.actions();
  return source.has(column) ? std::optional(source.text_sql(column)) : std::nullopt;
}

/// SELECT of user, document, time, row, action, source, then the condition's columns as __c<i>.
template <typename ColumnSql>
Past past_sql(const Condition& condition, const std::string& table, const std::string& action,
              int source, const ColumnSql& column_sql) {
  Past past{fmt::format("SELECT __user, __document, __time, __row, {} AS __action, {} AS __source",
                        action, source)};
  for (size_t i = 0; i < condition.columns().size(); ++i) {
    const std::optional<std::string> sql = column_sql(condition.columns()[i]);
    past.fits = past.fits && sql;
    past.sql += fmt::format(", {} AS __c{}", sql.value_or("CAST(NULL AS VARCHAR)"), i);
  }
  past.sql += " FROM " + table;
  return past;
}

std::string label_action_sql(const StoreSchema& schema) {
  std::string action = "CASE";
  for (size_t k = 0; k < schema.labels.size(); ++k)
    action += fmt::format(" WHEN __label_{} = 1 THEN {}", k, sql_literal(schema.labels[k]));
  return action + " ELSE " + sql_literal(kImpression) + " END";
}

/// SELECT of user, time, document, action, then the condition's columns; in the order of the store.
std::string history_sql(IngestContext& context, const IngestTables& tables,
                        const HistoryOptions& history, const Condition& condition) {
  const std::string action = label_action_sql(context.schema);
  std::string all;
  const auto take = [&](const Past& past, const char* name) {
    if (past.fits) {
      all += (all.empty() ? "" : " UNION ALL ") + past.sql;
      return;
    }
    context.summary["notes"].push_back(
        fmt::format("history '{}' takes nothing from {}, which lack a column of its condition",
                    history.name, name));
  };
  take(past_sql(
           condition, "raw_events", action, 0,
           [&](const std::string& column) { return event_sql(context, tables, column, action); }),
       "events");
  if (tables.has_actions())
    take(past_sql(condition, "raw_actions", "__action", 1,
                  [&](const std::string& column) { return action_sql(context, tables, column); }),
         "actions");
  if (all.empty())
    fail<InvalidArgument>(
        "ingest",
        "history '{}': where = \"{}\" asks for {}; neither events nor actions have them all",
        history.name, history.where, fmt::join(condition.columns(), ", "));
  std::string columns;
  for (size_t i = 0; i < condition.columns().size(); ++i) columns += fmt::format(", p.__c{}", i);
  return "SELECT u.number, p.__time, d.number, p.__action" + columns + " FROM (" + all +
         ") p JOIN users u ON u.id = p.__user JOIN document_numbers d ON d.id = p.__document ORDER "
         "BY 1, 2, p.__source, p.__row";
}

void write_history(IngestContext& context, const IngestTables& tables, size_t index,
                   const Condition& condition, ActionNumbers& number) {
  constexpr size_t kConditionColumns = 4;  // of the SELECT: where they begin
  const HistoryOptions& history = context.options.data.history[index];
  std::string stem = fmt::format("history_{}", index);
  auto column = [&](const char* ending) { return ColumnFile(context.folder.file(stem + ending)); };
  ColumnFile offsets = column(".offsets.u64"), documents = column(".documents.u32"),
             times = column(".times.i64"), actions = column(".actions.u8");
  uint64_t count = 0, user = 0, users_with_any = 0;  // offsets of users below `user` are written
  auto consume = [&](std::span<const ColumnView> view, size_t rows) {
    for (size_t row = 0; row < rows; ++row) {
      const bool joins = condition.holds([&](size_t i) -> std::optional<std::string_view> {
        const ColumnView& value = view[kConditionColumns + i];
        return value.is_null(row) ? std::nullopt : std::optional(value.text(row));
      });
      if (!joins) continue;
      auto of = static_cast<uint64_t>(view[0].int64(row));
      users_with_any += user <= of;
      for (; user <= of; ++user) offsets.append(count);
      times.append(view[1].int64(row));
      documents.append(static_cast<uint32_t>(view[2].int64(row)));
      actions.append(number(view[3].text(row)));
      ++count;
    }
    context.report("histories", count);
  };
  context.database.query(history_sql(context, tables, history, condition), consume);
  for (; user <= context.schema.num_users; ++user) offsets.append(count);
  for (ColumnFile* file : {&offsets, &documents, &times, &actions}) file->close();
  context.summary["histories"][history.name] = {{"actions", count},
                                                {"users_with_any", users_with_any}};
}

}  // namespace

void write_histories(IngestContext& context, const IngestTables& tables) {
  ActionNumbers number(context.schema.actions);
  for (const std::string& label : context.schema.labels) number(label);
  number(kImpression);
  for (size_t h = 0; h < context.options.data.history.size(); ++h) {
    const HistoryOptions& history = context.options.data.history[h];
    const Condition condition(history.where);
    context.schema.histories.push_back({.name = history.name,
                                        .length = history.length,
                                        .where = history.where,
                                        .delay_ms = std::llround(history.delay_seconds * 1000)});
    write_history(context, tables, h, condition, number);
  }
}

}  // namespace lemur
