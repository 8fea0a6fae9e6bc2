#include "lemur/ablate/arms.h"

#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <sstream>

#include "lemur/base/error.h"

namespace lemur {
namespace {

/// A table of the file whose keys are taken one by one; what is left is unknown.
class KeyReader {
 public:
  KeyReader(const toml::table& table, std::string what) : table_(table), what_(std::move(what)) {}

  std::string text(const char* key, bool required = false) {
    const auto value = take<std::string>(key);
    if (!value && required) fail<InvalidArgument>("arms", "{} has no '{}'", what_, key);
    return value.value_or("");
  }
  std::optional<double> number(const char* key) { return take<double>(key); }
  bool flag(const char* key) { return take<bool>(key).value_or(false); }

  template <typename T>
  std::vector<T> list(const char* key) {
    known_.push_back(key);
    std::vector<T> values;
    if (!table_.contains(key)) return values;
    const toml::array* array = table_[key].as_array();
    if (array == nullptr) fail<InvalidArgument>("arms", "{}: '{}' is no list", what_, key);
    for (const toml::node& node : *array) {
      const auto value = node.value<T>();
      if (!value) fail<InvalidArgument>("arms", "{}: '{}' has a wrong value", what_, key);
      values.push_back(*value);
    }
    return values;
  }

  /// Returns the tables of a list.
  std::vector<const toml::table*> tables(const char* key) {
    known_.push_back(key);
    std::vector<const toml::table*> found;
    const toml::array* array = table_[key].as_array();
    if (array == nullptr) fail<InvalidArgument>("arms", "{} has no '{}'", what_, key);
    for (const toml::node& node : *array)
      if (const toml::table* table = node.as_table()) found.push_back(table);
    return found;
  }

  void finish() const {
    for (const auto& [key, value] : table_)
      if (std::ranges::find(known_, std::string(key.str())) == known_.end())
        fail<InvalidArgument>("arms", "{} has an unknown key '{}'; known: {}", what_, key.str(),
                              fmt::join(known_, ", "));
  }

 private:
  template <typename T>
  std::optional<T> take(const char* key) {
    known_.push_back(key);
    if (!table_.contains(key)) return std::nullopt;
    auto value = table_[key].value<T>();
    if (!value) fail<InvalidArgument>("arms", "{}: '{}' is of the wrong type", what_, key);
    return value;
  }

  const toml::table& table_;
  std::string what_;
  std::vector<std::string> known_;
};

template <typename Items>
const auto& named(const Items& items, const char* what, std::string_view name) {
  for (const auto& item : items)
    if (item.name == name) return item;
  std::vector<std::string> names;
  for (const auto& item : items) names.push_back(item.name);
  fail<InvalidArgument>("arms", "there is no {} '{}'; there are: {}", what, name,
                        fmt::join(names, ", "));
}

/// Names are folders and files of an ablation.
void check_name(const char* what, const std::string& name) {
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  };
  if (name.empty() || name.front() == '.' || !std::ranges::all_of(name, fits))
    fail<InvalidArgument>("arms",
                          "{} is named '{}'; a name is of letters, digits, '-', '_' and '.' within",
                          what, name);
}

Arm read_arm(const toml::table& table, const Arms& before) {
  KeyReader reader(table, "an arm");
  Arm arm;
  arm.name = reader.text("name", /*required=*/true);
  check_name("an arm", arm.name);
  arm.title = reader.text("title", /*required=*/true);
  if (const std::string from = reader.text("from"); !from.empty()) {
    arm.set = before.arm(from).set;
  }
  for (std::string& override : reader.list<std::string>("set"))
    arm.set.push_back(std::move(override));
  arm.without_queries = reader.list<std::string>("without_queries");
  arm.needs_history = reader.text("needs_history");
  arm.start_from = reader.text("start_from");
  if (!arm.start_from.empty()) before.arm(arm.start_from);
  arm.pretraining = reader.flag("pretraining");
  arm.configured_rate = reader.flag("configured_rate");
  reader.finish();
  if (std::ranges::count(before.arms, arm.name, &Arm::name) > 0)
    fail<InvalidArgument>("arms", "two arms are named '{}'", arm.name);
  return arm;
}

TableRow read_row(const toml::table& table, const Arms& arms) {
  KeyReader reader(table, "a row");
  TableRow row;
  row.arm = reader.text("arm", /*required=*/true);
  row.title = reader.text("title");
  if (row.title.empty()) row.title = arms.arm(row.arm).title;
  row.auc = reader.number("auc");
  row.qauc = reader.number("qauc");
  row.parameters = reader.number("parameters");
  row.flops = reader.number("flops");
  reader.finish();
  if (arms.arm(row.arm).pretraining)
    fail<InvalidArgument>("arms", "the arm '{}' has no metric for a row of a table", row.arm);
  return row;
}

AblationTable read_table(const toml::table& table, const Arms& arms) {
  KeyReader reader(table, "a table");
  AblationTable result;
  result.name = reader.text("name", /*required=*/true);
  check_name("a table", result.name);
  if (std::ranges::count(arms.tables, result.name, &AblationTable::name) > 0)
    fail<InvalidArgument>("arms", "two tables are named '{}'", result.name);
  result.title = reader.text("title", /*required=*/true);
  result.baselines = reader.flag("baselines");
  result.base = reader.text("base", /*required=*/!result.baselines);
  for (const toml::table* row : reader.tables("rows")) result.rows.push_back(read_row(*row, arms));
  reader.finish();
  if (result.baselines && !result.base.empty())
    fail<InvalidArgument>("arms",
                          "the table '{}' has baselines and a base; its base is the best of them",
                          result.name);
  if (result.baselines && !result.rows.empty()) result.base = result.rows[0].arm;
  if (std::ranges::count(result.rows, result.base, &TableRow::arm) != 1)
    fail<InvalidArgument>("arms", "the table '{}' has {} rows of its base '{}'; it needs one",
                          result.name, std::ranges::count(result.rows, result.base, &TableRow::arm),
                          result.base);
  return result;
}

}  // namespace

const Arm& Arms::arm(std::string_view name) const { return named(arms, "arm", name); }

const AblationTable& Arms::table(std::string_view name) const {
  return named(tables, "table", name);
}

Arms parse_arms(std::string_view text, std::string_view source) {
  Arms result;
  try {
    const toml::table file = toml::parse(text, source);
    KeyReader reader(file, std::string(source));
    result.learning_rates = reader.list<double>("learning_rates");
    for (const toml::table* arm : reader.tables("arm"))
      result.arms.push_back(read_arm(*arm, result));
    for (const toml::table* table : reader.tables("table"))
      result.tables.push_back(read_table(*table, result));
    reader.finish();
  } catch (const toml::parse_error& error) {
    fail<InvalidArgument>("arms", "{} line {}: {}", source, error.source().begin.line,
                          error.description());
  }
  return result;
}

}  // namespace lemur
