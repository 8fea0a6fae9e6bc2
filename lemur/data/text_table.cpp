#include "lemur/data/text_table.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "lemur/base/error.h"
#include "lemur/data/column_value.h"
#include "lemur/data/table_function.h"
#include "lemur/input/csv_reader.h"
#include "lemur/input/json_lines_reader.h"

namespace lemur {
namespace {

constexpr std::string_view kFileColumn = "__file", kLineColumn = "__place";
constexpr size_t kNoPlace = static_cast<size_t>(-1);

/// Where in a chunk the wanted columns go, by name.
using Places = std::unordered_map<std::string, size_t>;

size_t place_of(const Places& places, const std::string& name) {
  const auto found = places.find(name);
  return found == places.end() ? kNoPlace : found->second;
}

[[noreturn]] void refuse_changed(const std::filesystem::path& file) {
  fail<DataError>("input", "{} was changed while it was read", file.string());
}

/// The rows of one file.
class FileRows {
 public:
  virtual ~FileRows() = default;
  virtual bool next() = 0;
  /// Writes the wanted columns of the current row.
  virtual void write(ChunkWriter& out, size_t row) = 0;
  virtual int64_t line() const = 0;
  virtual int64_t blank_lines() const = 0;
};

class CsvRows : public FileRows {
 public:
  CsvRows(const TextFileSummary& file, const CsvFormat& format, const Places& wanted)
      : reader_(TextSource(file.file, format.encoding), format) {
    if (reader_.header() != file.header) refuse_changed(file.file);
    Places absent = wanted;
    for (const std::string& name : file.header) {
      places_.push_back(place_of(wanted, name));
      absent.erase(name);
    }
    for (const auto& [name, place] : absent) absent_.push_back(place);
  }

  bool next() override { return reader_.next(); }
  int64_t line() const override { return reader_.line(); }
  int64_t blank_lines() const override { return reader_.blank_lines(); }

  void write(ChunkWriter& out, size_t row) override {
    const auto fields = reader_.fields();
    for (size_t i = 0; i < fields.size(); ++i) {
      if (places_[i] == kNoPlace) continue;
      if (fields[i].is_null)
        out.set_null(places_[i], row);
      else
        out.set_text(places_[i], row, fields[i].text);
    }
    for (const size_t place : absent_) out.set_null(place, row);
  }

 private:
  CsvReader reader_;
  std::vector<size_t> places_, absent_;  // places_: by field
};

JsonLinesReader open_json(const std::filesystem::path& file, const TextFormat& format,
                          JsonPaths& paths) {
  return {TextSource(file, format.csv.encoding),
          format.kind == TextKind::kJson ? JsonLinesReader::Layout::kDocument
                                         : JsonLinesReader::Layout::kLines,
          paths};
}

class JsonRows : public FileRows {
 public:
  /// `paths` and `columns` agree by index.
  JsonRows(const std::filesystem::path& file, const TextFormat& format, const JsonPaths& paths,
           const std::vector<TextColumn>& columns, const Places& wanted)
      : file_(file), columns_(columns), paths_(paths), reader_(open_json(file, format, paths_)) {
    for (const TextColumn& column : columns) places_.push_back(place_of(wanted, column.name));
  }

  bool next() override { return reader_.next(); }
  int64_t line() const override { return reader_.line(); }
  int64_t blank_lines() const override { return reader_.blank_lines(); }

  void write(ChunkWriter& out, size_t row) override {
    ++row_number_;
    written_.resize(columns_.size());
    for (const JsonMember& member : reader_.record().members()) {
      if (member.path >= columns_.size()) refuse_changed(file_);
      if (places_[member.path] == kNoPlace) continue;
      write(member, out, places_[member.path], row);
      written_[member.path] = row_number_;
    }
    for (size_t path = 0; path < places_.size(); ++path)
      if (places_[path] != kNoPlace && written_[path] != row_number_)
        out.set_null(places_[path], row);
  }

 private:
  void write(const JsonMember& member, ChunkWriter& out, size_t place, size_t row) {
    const JsonKind kind = member.value.kind;
    const bool is_list = columns_[member.path].is_list;
    if (kind == JsonKind::kObject || kind == JsonKind::kNested ||
        (kind == JsonKind::kList && !is_list))
      refuse_changed(file_);
    if (kind == JsonKind::kNull) return out.set_null(place, row);
    if (!is_list) return out.set_text(place, row, member.value.text);
    items_.clear();
    if (kind != JsonKind::kList) items_.emplace_back(member.value.text);
    for (const JsonScalar& item : reader_.record().items(member))
      items_.push_back(item.kind == JsonKind::kNull ? std::nullopt : std::optional(item.text));
    out.set_list(place, row, items_);
  }

  std::filesystem::path file_;
  const std::vector<TextColumn>& columns_;
  JsonPaths paths_;
  JsonLinesReader reader_;
  std::vector<size_t> places_;     // by path
  std::vector<uint64_t> written_;  // by path: the last row that had it
  uint64_t row_number_ = 0;
  std::vector<std::optional<std::string_view>> items_;
};

/// What all values of JSON at one path are.
struct PathFacts {
  bool is_list = false, is_object = false, has_fraction = false, has_other = false;
  std::string first_object;  // "a.jsonl: line 3 holds an object"

  void add(const JsonScalar& value) {
    has_fraction |= value.kind == JsonKind::kNumber;
    has_other |= value.kind == JsonKind::kText || value.kind == JsonKind::kBool;
  }
};

/// Reads all lines of JSON files for what their columns are.
class JsonSurvey {
 public:
  JsonSurvey(const TextFormat& format, JsonPaths& paths) : format_(format), paths_(paths) {}

  void read(TextFileSummary& file) {
    JsonLinesReader reader = open_json(file.file, format_, paths_);
    for (; reader.next(); ++file.rows) {
      facts_.resize(paths_.size());
      for (const JsonMember& member : reader.record().members()) add(member, reader, file.file);
    }
    file.blank_lines = reader.blank_lines();
    facts_.resize(paths_.size());
  }

  std::vector<TextColumn> columns() const {
    std::vector<TextColumn> columns;
    for (uint32_t path = 0; path < paths_.size(); ++path) {
      const PathFacts& facts = facts_[path];
      TextColumn column{paths_.name(path), facts.is_list, facts.has_fraction && !facts.has_other,
                        facts.is_object};
      if (facts.is_object)
        column.first_fault =
            fmt::format("{} in '{}'{}", facts.first_object, column.name, members_of(column.name));
      columns.push_back(column);
    }
    return columns;
  }

 private:
  void add(const JsonMember& member, const JsonLinesReader& reader,
           const std::filesystem::path& file) {
    PathFacts& facts = facts_[member.path];
    const JsonKind kind = member.value.kind;
    facts.add(member.value);
    facts.is_list |= kind == JsonKind::kList;
    for (const JsonScalar& item : reader.record().items(member)) facts.add(item);
    const bool is_object = kind == JsonKind::kObject || kind == JsonKind::kNested;
    if (is_object && !facts.is_object)
      facts.first_object =
          fmt::format("{}: line {} holds {}", file.string(), reader.line(),
                      kind == JsonKind::kObject ? "an object" : "an array of objects or arrays");
    facts.is_object |= is_object;
  }

  std::string members_of(const std::string& name) const {
    constexpr size_t kMaxShown = 10;
    std::vector<std::string> members;
    for (uint32_t path = 0; path < paths_.size() && members.size() < kMaxShown; ++path)
      if (paths_.name(path).starts_with(name + ".")) members.push_back(paths_.name(path));
    return members.empty() ? "" : fmt::format("; its members: {}", fmt::join(members, ", "));
  }

  const TextFormat& format_;
  JsonPaths& paths_;
  std::vector<PathFacts> facts_;
};

/// Marks what SQL could not tell apart: it takes upper and lower case of a name for the same.
void mark_unselectable(std::vector<TextColumn>& columns, const std::string& file) {
  std::unordered_map<std::string, TextColumn*> by_name;
  for (TextColumn& column : columns) {
    std::string lower = column.name;
    for (char& c : lower)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (lower.empty() || is_reserved_name(column.name))
      column.first_fault = fmt::format("{}: a column cannot have the name '{}'", file, column.name);
    const auto [other, is_new] = by_name.emplace(lower, &column);
    if (is_new) continue;
    column.first_fault = other->second->first_fault =
        fmt::format("{}: the columns '{}' and '{}' differ only in upper and lower case", file,
                    other->second->name, column.name);
  }
}

}  // namespace

struct TextTable::Impl {
  TextFormat format;
  JsonPaths paths;
  mutable std::mutex mutex;
  std::vector<TextFileSummary> files;  // rows and blank_lines: guarded by mutex
};

TextTable::TextTable(std::vector<std::filesystem::path> files, const TextFormat& format)
    : impl_(std::make_unique<Impl>()) {
  ensure(!files.empty(), "input", "a table has files");
  impl_->format = format;
  for (auto& file : files) impl_->files.push_back({std::move(file)});
  if (format.kind == TextKind::kCsv) {
    std::unordered_map<std::string, size_t> known;
    for (TextFileSummary& file : impl_->files) {
      file.header = CsvReader(TextSource(file.file, format.csv.encoding), format.csv).header();
      for (const std::string& name : file.header)
        if (!name.empty() && known.emplace(name, columns_.size()).second)
          columns_.push_back({name});
    }
  } else {
    JsonSurvey survey(format, impl_->paths);
    for (TextFileSummary& file : impl_->files) survey.read(file);
    columns_ = survey.columns();
  }
  mark_unselectable(columns_, impl_->files.front().file.string());
}

TextTable::~TextTable() = default;

std::vector<TextFileSummary> TextTable::summary() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->files;
}

/// A table as DuckDB sees it.
class TextTableSource : public TableSource {
 public:
  explicit TextTableSource(std::shared_ptr<const TextTable> table) : table_(std::move(table)) {
    for (const TextColumn& column : table_->columns())
      if (column.first_fault.empty())
        columns_.push_back(
            {column.name, column.is_list ? ColumnType::kTextList : ColumnType::kText});
    columns_.push_back({std::string(kFileColumn), ColumnType::kText});
    columns_.push_back({std::string(kLineColumn), ColumnType::kInt64});
  }

  std::vector<Column> columns() const override { return columns_; }
  std::unique_ptr<TableScan> scan(std::vector<size_t> columns) const override;

 private:
  class Scan;
  std::shared_ptr<const TextTable> table_;
  std::vector<Column> columns_;
};

class TextTableSource::Scan : public TableScan {
 public:
  Scan(std::shared_ptr<const TextTable> table, Places wanted)
      : table_(std::move(table)),
        impl_(*table_->impl_),
        files_(table_->summary()),
        file_place_(take(wanted, kFileColumn)),
        line_place_(take(wanted, kLineColumn)),
        wanted_(std::move(wanted)) {}

  size_t read(ChunkWriter& out, size_t max_rows) override {
    size_t row = 0;
    while (row < max_rows && (rows_ != nullptr || open_next())) {
      if (!rows_->next()) {
        close();
        continue;
      }
      rows_->write(out, row);
      if (file_place_ != kNoPlace) out.set_text(file_place_, row, name_);
      if (line_place_ != kNoPlace) out.set_int64(line_place_, row, rows_->line());
      ++row;
      ++num_rows_;
    }
    return row;
  }

 private:
  static size_t take(Places& places, std::string_view name) {
    const size_t place = place_of(places, std::string(name));
    places.erase(std::string(name));
    return place;
  }

  bool open_next() {
    if (next_file_ == files_.size()) return false;
    const TextFileSummary& file = files_[next_file_++];
    name_ = file.file.string();
    num_rows_ = 0;
    if (impl_.format.kind == TextKind::kCsv)
      rows_ = std::make_unique<CsvRows>(file, impl_.format.csv, wanted_);
    else
      rows_ = std::make_unique<JsonRows>(file.file, impl_.format, impl_.paths, table_->columns(),
                                         wanted_);
    return true;
  }

  void close() {
    const std::lock_guard lock(impl_.mutex);
    TextFileSummary& summary = impl_.files[next_file_ - 1];
    summary.rows = num_rows_;
    summary.blank_lines = rows_->blank_lines();
    rows_.reset();
  }

  std::shared_ptr<const TextTable> table_;
  TextTable::Impl& impl_;
  std::vector<TextFileSummary> files_;
  size_t file_place_, line_place_;
  Places wanted_;
  std::unique_ptr<FileRows> rows_;  // of the file before next_file_; none: it is read
  size_t next_file_ = 0;
  std::string name_;
  int64_t num_rows_ = 0;
};

std::unique_ptr<TableScan> TextTableSource::scan(std::vector<size_t> columns) const {
  Places wanted;
  for (size_t i = 0; i < columns.size(); ++i) wanted.emplace(columns_[columns[i]].name, i);
  return std::make_unique<Scan>(table_, std::move(wanted));
}

std::string add_text_table(Database& database, std::shared_ptr<const TextTable> table) {
  return add_table(database, std::make_shared<TextTableSource>(std::move(table)));
}

std::optional<TextFormat> text_format(const std::filesystem::path& file,
                                      const CsvOptions& options) {
  const std::string ending = without_packing(file).extension().string();
  if (ending == ".csv" || ending == ".tsv")
    return TextFormat{TextKind::kCsv, csv_format(options, ending == ".tsv")};
  if (ending == ".json") return TextFormat{TextKind::kJson, {}};
  if (ending == ".jsonl" || ending == ".ndjson") return TextFormat{TextKind::kJsonLines, {}};
  return std::nullopt;
}

}  // namespace lemur
