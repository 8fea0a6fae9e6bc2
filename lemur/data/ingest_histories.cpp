#include "lemur/data/ingest_histories.h"

#include <algorithm>
#include <map>

#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr const char* kWhere = "ingest";
constexpr size_t kMaxActions = 255;

/// Numbers the names of actions.
class ActionNumbers {
 public:
  explicit ActionNumbers(std::vector<std::string>& names) : names_(names) {}

  uint8_t operator()(std::string_view name) {
    auto known = numbers_.find(name);
    if (known != numbers_.end()) return known->second;
    if (names_.size() >= kMaxActions)
      fail<DataError>(kWhere, "there are more than {} kinds of actions; the next is '{}'",
                      kMaxActions, name);
    names_.emplace_back(name);
    return numbers_[std::string(name)] = static_cast<uint8_t>(names_.size() - 1);
  }

 private:
  std::vector<std::string>& names_;
  std::map<std::string, uint8_t, std::less<>> numbers_;
};

/// SELECT of events: user, document, time, row, action, source; where `condition` holds.
std::string past_events_sql(const IngestContext& context, const IngestTables& tables,
                            const std::string& condition) {
  std::string action = "CASE", named;
  const auto& labels = context.schema.labels;
  for (size_t k = 0; k < labels.size(); ++k) {
    action += fmt::format(" WHEN __label_{} = 1 THEN {}", k, sql_literal(labels[k]));
    named += fmt::format(", __label_{} AS {}", k, sql_name(labels[k]));
  }
  action += " ELSE 'impression' END";
  for (const std::string& column : tables.event_columns())
    if (std::ranges::find(labels, column) == labels.end()) named += ", " + sql_name(column);
  const std::string& action_column = context.options.data.columns.action;
  if (!tables.events().has(action_column))
    named += ", " + action + " AS " + sql_name(action_column);
  return "SELECT __user, __document, __time, __row, __action, 0 AS __source FROM (SELECT __user, "
         "__document, __time, __row, " +
         action + " AS __action" + named + " FROM events)" + condition;
}

/// SELECT of the history's columns: user, time, document, action; in the order of the store.
std::string history_sql(IngestContext& context, const IngestTables& tables,
                        const HistoryOptions& history) {
  // A comment at the condition's end must not swallow what follows.
  std::string condition = history.where.empty() ? "" : " WHERE (" + history.where + "\n)";
  std::string past, fault;
  auto take = [&](const std::string& sql, const char* name) {
    try {
      context.database.describe(sql);
      past += (past.empty() ? "" : " UNION ALL ") + sql;
    } catch (const DataError& error) {
      if (fault.empty()) fault = error.what();
      context.summary["notes"].push_back(fmt::format(
          "history '{}' takes nothing from {}: its condition does not fit their columns",
          history.name, name));
    }
  };
  take(past_events_sql(context, tables, condition), "events");
  if (tables.has_actions())
    take("SELECT __user, __document, __time, __row, __action, 1 AS __source FROM raw_actions" +
             condition,
         "actions");
  if (past.empty())
    fail<InvalidArgument>(kWhere, "history '{}': where = \"{}\" is no condition over {}: {}",
                          history.name, history.where, tables.events().name(), fault);
  return "SELECT u.number, p.__time, d.number, p.__action FROM (" + past +
         ") p JOIN users u ON u.id = p.__user JOIN document_numbers d ON d.id = p.__document ORDER "
         "BY 1, 2, p.__source, p.__row";
}

void write_history(IngestContext& context, const IngestTables& tables, size_t index,
                   ActionNumbers& number) {
  const HistoryOptions& history = context.options.data.history[index];
  std::string stem = fmt::format("history_{}", index);
  auto column = [&](const char* ending) { return ColumnFile(context.folder.file(stem + ending)); };
  ColumnFile offsets = column(".offsets.u64"), documents = column(".documents.u32"),
             times = column(".times.i64"), actions = column(".actions.u8");
  uint64_t count = 0, user = 0, users_with_any = 0;  // offsets of users below `user` are written
  auto consume = [&](std::span<const ColumnView> view, size_t rows) {
    for (size_t row = 0; row < rows; ++row, ++count) {
      auto of = static_cast<uint64_t>(view[0].int64(row));
      users_with_any += user <= of;
      for (; user <= of; ++user) offsets.append(count);
      times.append(view[1].int64(row));
      documents.append(static_cast<uint32_t>(view[2].int64(row)));
      actions.append(number(view[3].text(row)));
    }
    context.report("histories", count);
  };
  std::string sql = history_sql(context, tables, history);
  try {
    context.database.query(sql, consume);
  } catch (const DataError& error) {
    fail<DataError>(kWhere, "history '{}': where = \"{}\": {}", history.name, history.where,
                    error.what());
  }
  for (; user <= context.schema.num_users; ++user) offsets.append(count);
  for (ColumnFile* file : {&offsets, &documents, &times, &actions}) file->close();
  context.summary["histories"][history.name] = {{"actions", count},
                                                {"users_with_any", users_with_any}};
}

}  // namespace

void write_histories(IngestContext& context, const IngestTables& tables) {
  ActionNumbers number(context.schema.actions);
  for (const std::string& label : context.schema.labels) number(label);
  number("impression");
  for (size_t h = 0; h < context.options.data.history.size(); ++h) {
    const HistoryOptions& history = context.options.data.history[h];
    context.schema.histories.push_back({history.name, history.length});
    write_history(context, tables, h, number);
  }
}

}  // namespace lemur
