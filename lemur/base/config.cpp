#include "lemur/base/config.h"

#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 1
#include <toml++/toml.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <type_traits>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"

namespace lemur {
namespace {

template <typename T>
concept Section = requires(T& t) {
  t.visit([](auto&&...) {});
};
template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

template <typename T>
constexpr const char* type_name() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, int64_t>) return "integer";
  if constexpr (std::is_same_v<T, double>) return "number";
  if constexpr (std::is_same_v<T, std::string>) return "string";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return "list of strings";
  if constexpr (std::is_same_v<T, std::vector<int64_t>>) return "list of integers";
  if constexpr (std::is_same_v<T, std::vector<double>>) return "list of numbers";
  return "table";
}

/// Fills one struct from one table; remembers the keys so that what is left over is an error.
class Reader {
 public:
  Reader(const toml::table& table, std::string path, std::string_view source)
      : table_(table), path_(std::move(path)), source_(source) {}

  template <typename T, typename... Limits>
  void operator()(const char* key, T& member, const char* /*meaning*/, const Limits&... limits) {
    keys_.push_back(key);
    const toml::node* node = table_.get(key);
    if (node == nullptr) return;
    read(*node, full(key), member);
    (check(*node, full(key), member, limits), ...);
  }

  /// Throws for a key that no member took.
  void finish() const {
    for (const auto& [key, node] : table_) {
      std::string name(key.str());
      if (std::find(keys_.begin(), keys_.end(), name) != keys_.end()) continue;
      fail<InvalidArgument>("configuration", "{}: unknown key '{}'; did you mean '{}'?",
                            where(node), full(name), full(nearest(name, keys_)));
    }
  }

 private:
  std::string full(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  }
  std::string where(const toml::node& node) const {
    auto line = node.source().begin.line;
    return line == 0 ? std::string("--set") : fmt::format("{} line {}", source_, line);
  }
  template <typename T>
  [[noreturn]] void wrong_type(const toml::node& node, const std::string& key) const {
    std::ostringstream value;
    node.visit([&](auto& n) { value << n; });
    fail<InvalidArgument>("configuration", "{}: '{}' = {} is no {}", where(node), key, value.str(),
                          type_name<T>());
  }

  template <typename T>
  void read(const toml::node& node, const std::string& key, T& member) const {
    if constexpr (Section<T>) {
      const toml::table* table = node.as_table();
      if (table == nullptr) wrong_type<T>(node, key);
      Reader reader(*table, key, source_);
      member.visit(reader);
      reader.finish();
    } else if constexpr (IsVector<T>::value) {
      const toml::array* array = node.as_array();
      if (array == nullptr) wrong_type<T>(node, key);
      member.clear();
      for (const toml::node& item : *array) read(item, key, member.emplace_back());
    } else if constexpr (std::is_same_v<T, double>) {
      auto value = node.value<double>();  // an integer is a number too
      if (!value || node.is_boolean()) wrong_type<T>(node, key);
      member = *value;
    } else {
      auto value = node.value_exact<T>();
      if (!value) wrong_type<T>(node, key);
      member = *value;
    }
  }

  template <typename T>
  void check(const toml::node& node, const std::string& key, const T& value,
             const Range& range) const {
    if (!(static_cast<double>(value) >= range.low && static_cast<double>(value) <= range.high))
      fail<InvalidArgument>("configuration", "{}: '{}' = {} is out of range; expected {} to {}",
                            where(node), key, value, range.low, range.high);
  }
  void check(const toml::node& node, const std::string& key, const std::string& value,
             const OneOf& allowed) const {
    if (std::find(allowed.values.begin(), allowed.values.end(), value) == allowed.values.end())
      fail<InvalidArgument>("configuration", "{}: '{}' = \"{}\"; expected one of {}", where(node),
                            key, value, fmt::join(allowed.values, ", "));
  }

  const toml::table& table_;
  std::string path_;
  std::string_view source_;
  std::vector<std::string> keys_;
};

/// Builds a table of every option.
class Writer {
 public:
  template <typename T, typename... Limits>
  void operator()(const char* key, T& member, const char* /*meaning*/, const Limits&...) {
    if constexpr (Section<T>) {
      Writer writer;
      member.visit(writer);
      table.insert(key, std::move(writer.table));
    } else if constexpr (IsVector<T>::value) {
      toml::array array;
      for (auto& item : member) {
        if constexpr (Section<std::decay_t<decltype(item)>>) {
          Writer writer;
          item.visit(writer);
          array.push_back(std::move(writer.table));
        } else {
          array.push_back(item);
        }
      }
      table.insert(key, std::move(array));
    } else {
      table.insert(key, member);
    }
  }
  toml::table table;
};

/// Lists every key with its value.
class Flattener {
 public:
  explicit Flattener(std::string path) : path_(std::move(path)) {}

  template <typename T, typename... Limits>
  void operator()(const char* key, T& member, const char* /*meaning*/, const Limits&...) {
    const std::string full = path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
    if constexpr (Section<T>) {
      add(full, member);
    } else if constexpr (IsVector<T>::value) {
      if constexpr (Section<typename T::value_type>) {
        for (size_t i = 0; i < member.size(); ++i) add(fmt::format("{}[{}]", full, i), member[i]);
      } else {
        items.emplace_back(full, fmt::format("{}", member));
      }
    } else if constexpr (std::is_same_v<T, std::string>) {
      items.emplace_back(full, fmt::format("\"{}\"", member));
    } else {
      items.emplace_back(full, fmt::format("{}", member));
    }
  }
  std::vector<std::pair<std::string, std::string>> items;

 private:
  template <typename T>
  void add(const std::string& path, T& section) {
    Flattener inner(path);
    section.visit(inner);
    items.insert(items.end(), inner.items.begin(), inner.items.end());
  }

  std::string path_;
};

/// Appends one Markdown table per section.
class Documenter {
 public:
  explicit Documenter(std::string path) : path_(std::move(path)) {}

  template <typename T, typename... Limits>
  void operator()(const char* key, T& member, const char* meaning, const Limits&... limits) {
    if constexpr (Section<T>) {
      section(key, meaning, member, "[{}]");
    } else if constexpr (IsVector<T>::value) {
      using Item = typename T::value_type;
      if constexpr (Section<Item>) {
        Item item;
        section(key, meaning, item, "[[{}]], any number");
      } else {
        row(key, type_name<T>(), fmt::format("{}", member), meaning, "");
      }
    } else {
      std::string limit;
      ((limit += describe(limits)), ...);
      std::string value = fmt::format("{}", member);
      if constexpr (std::is_same_v<T, std::string>) value = '"' + value + '"';
      row(key, type_name<T>(), value, meaning, limit);
    }
  }

  std::string text() const { return rows_ + sections_; }

 private:
  template <typename T>
  void section(const char* key, const char* meaning, T& member, const char* title) {
    std::string path = path_.empty() ? key : path_ + "." + key;
    Documenter inner(path);
    member.visit(inner);
    sections_ += fmt::format("\n## `{}`\n\n{}\n{}", fmt::format(fmt::runtime(title), path), meaning,
                             inner.text());
  }
  void row(const char* key, const char* type, const std::string& value, const char* meaning,
           const std::string& limit) {
    if (rows_.empty()) rows_ = "\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n";
    rows_ += fmt::format("| `{}` | {} | `{}` | {}{} |\n", key, type, value, meaning, limit);
  }
  static std::string describe(const Range& range) {
    return fmt::format(" {} to {}.", range.low, range.high);
  }
  static std::string describe(const OneOf& allowed) {
    return fmt::format(" One of {}.", fmt::join(allowed.values, ", "));
  }

  std::string path_, rows_, sections_;
};

[[noreturn]] void syntax_error(std::string_view source, const toml::parse_error& error) {
  fail<InvalidArgument>("configuration", "{} line {}: {}", source, error.source().begin.line,
                        error.description());
}

/// Sets "a.b=value" in the table; a value that is no TOML counts as a string.
void apply_override(toml::table& root, const std::string& text) {
  auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    fail<InvalidArgument>("configuration", "--set {}: expected section.key=value", text);
  std::string path = text.substr(0, equals), value = text.substr(equals + 1);
  toml::table parsed;
  try {
    parsed = toml::parse("value = " + value);
  } catch (const toml::parse_error&) {
    parsed.insert("value", value);
  }
  toml::table* table = &root;
  for (size_t dot; (dot = path.find('.')) != std::string::npos; path = path.substr(dot + 1)) {
    auto [position, inserted] = table->insert(path.substr(0, dot), toml::table{});
    table = position->second.as_table();
    if (table == nullptr)
      fail<InvalidArgument>("configuration", "--set {}: '{}' is no table", text,
                            path.substr(0, dot));
  }
  table->insert_or_assign(path, *parsed.get("value"));
}

template <typename Items, typename Name>
void require_distinct(const Items& items, const char* what, Name name) {
  std::set<std::string> seen;
  for (const auto& item : items)
    if (!seen.insert(name(item)).second)
      fail<InvalidArgument>("configuration", "two {} are named '{}'", what, name(item));
}

void require_divides(int64_t part, const char* part_name, int64_t whole, const char* whole_name) {
  if (whole % part != 0)
    fail<InvalidArgument>("configuration", "{} = {} does not divide {} = {}", part_name, part,
                          whole_name, whole);
}

/// Checks what belongs to pretrained encoders.
void validate_pretrained(const Options& o) {
  const ModelOptions& m = o.model;
  if ((m.document_bert.width > 0 && m.document_pretrained.empty()) ||
      (m.query_bert.width > 0 && m.query_pretrained.empty()))
    fail<InvalidArgument>("configuration",
                          "model.document_bert and model.query_bert are written by train; give "
                          "model.document_pretrained or model.query_pretrained");
  if (o.train.freeze_encoder_steps != 0 && m.document_pretrained.empty() &&
      m.query_pretrained.empty() && o.train.start_from.empty())
    fail<InvalidArgument>(
        "configuration",
        "train.freeze_encoder_steps = {} freezes trained encoders, but none of train.start_from, "
        "model.document_pretrained and model.query_pretrained is given",
        o.train.freeze_encoder_steps);
  if (!o.train.start_from.empty() &&
      (!m.document_pretrained.empty() || !m.query_pretrained.empty()))
    fail<InvalidArgument>("configuration",
                          "train.start_from = \"{}\" replaces what model.document_pretrained and "
                          "model.query_pretrained name; give one of them",
                          o.train.start_from);
}

/// Checks what spans several keys.
void validate(const Options& o) {
  for (const auto& history : o.data.history)
    if (history.name.empty())
      fail<InvalidArgument>("configuration", "a [[data.history]] has no name");
  for (const auto& feature : o.data.feature)
    if (feature.column.empty() || feature.of.empty())
      fail<InvalidArgument>("configuration", "[[data.feature]] '{}' needs both 'column' and 'of'",
                            feature.column);
  for (const auto& counter : o.data.counter)
    if (counter.by.empty())
      fail<InvalidArgument>("configuration", "a [[data.counter]] has no 'by'");
  require_distinct(o.data.history, "histories", [](const auto& h) { return h.name; });
  require_distinct(o.data.text, "text fields", [](const auto& t) { return t.column; });
  require_distinct(o.data.feature, "features", [](const auto& f) { return f.of + " " + f.column; });
  if (o.data.columns.labels.empty())
    fail<InvalidArgument>("configuration", "data.columns.labels is empty");
  if (o.data.split.valid + o.data.split.test >= 1)
    fail<InvalidArgument>("configuration", "data.split leaves nothing to train on");
  if (o.bank.backward > o.bank.forward)
    fail<InvalidArgument>("configuration", "bank.backward = {} exceeds bank.forward = {}",
                          o.bank.backward, o.bank.forward);
  require_divides(o.model.encoder_heads, "model.encoder_heads", o.model.encoder_width,
                  "model.encoder_width");
  require_divides(o.model.tokens, "model.tokens", o.model.token_width, "model.token_width");
  require_divides(o.model.decoder_heads, "model.decoder_heads", o.model.representation_width,
                  "model.representation_width");
  if (o.model.task_weights.size() > 1 &&
      o.model.task_weights.size() != o.data.columns.labels.size())
    fail<InvalidArgument>("configuration", "model.task_weights has {} weights for {} labels",
                          o.model.task_weights.size(), o.data.columns.labels.size());
  if (o.train.patience > 0 && o.train.metric == "none")
    fail<InvalidArgument>("configuration",
                          "train.patience = {} needs a train.metric other than none",
                          o.train.patience);
  if (o.train.schedule == "cosine" && o.train.epochs == 0 && o.train.max_steps == 0)
    fail<InvalidArgument>("configuration",
                          "train.schedule = \"cosine\" ends with the last step; give train.epochs "
                          "or train.max_steps");
  validate_pretrained(o);
}

}  // namespace

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  std::string best;
  size_t best_distance = std::string::npos;
  for (const std::string& candidate : candidates) {
    std::vector<size_t> row(candidate.size() + 1);
    for (size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= candidate.size(); ++j) {
        size_t above = row[j];
        row[j] = std::min(
            {above + 1, row[j - 1] + 1, diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1)});
        diagonal = above;
      }
    }
    if (row.back() < best_distance) best_distance = row.back(), best = candidate;
  }
  return best;
}

Options parse_options(std::string_view toml, std::string_view source,
                      std::span<const std::string> overrides) {
  Options options;
  try {
    toml::table table = toml::parse(toml, source);
    for (const std::string& text : overrides) apply_override(table, text);
    Reader reader(table, "", source);
    options.visit(reader);
    reader.finish();
  } catch (const toml::parse_error& error) {
    syntax_error(source, error);
  }
  validate(options);
  return options;
}

Options load_options(const std::filesystem::path& file, std::span<const std::string> overrides) {
  std::string text;
  try {
    text = read_file(file);
  } catch (const DataError& error) {
    fail<InvalidArgument>("configuration", "cannot read {}", file.string());
  }
  return parse_options(text, file.string(), overrides);
}

std::string options_to_toml(const Options& options) {
  Options copy = options;
  Writer writer;
  copy.visit(writer);
  std::ostringstream out;
  out << writer.table << '\n';
  return out.str();
}

std::vector<std::pair<std::string, std::string>> flatten_options(const Options& options) {
  Options copy = options;
  Flattener flattener("");
  copy.visit(flattener);
  return std::move(flattener.items);
}

std::string options_to_markdown() {
  Options options;
  Documenter documenter("");
  options.visit(documenter);
  return "# Configuration\n\nGenerated from `lemur/base/options.h` by `scripts/generate_docs.sh`; "
         "edit there. Paths are relative to the file. An unknown key is an "
         "error.\n" +
         documenter.text();
}

}  // namespace lemur
