// Random tables written in every format give one store, byte by byte.
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <bit>
#include <cstdlib>
#include <limits>
#include <optional>
#include <random>
#include <variant>

#include "lemur/data/ingest_testing.h"

namespace lemur {
namespace {

using List = std::vector<std::string>;
using Value = std::variant<std::monostate, std::string, int64_t, uint64_t, double, List>;

struct Column {
  std::string name, sql_type;
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<Value>> rows;
};

/// Draws tables.
class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}

  size_t below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }
  bool one_in(size_t n) { return below(n) == 0; }

  /// Any text without NUL, never empty.
  std::string text() {
    static const std::vector<std::string> kParts = {
        "\"",   "\"\"", "'",    ",",    ";",      "\t",         "|",      "\n",  "\r\n",
        "\r",   " ",    "\\",   "\\n",  "a",      "red",        "007",    "1e5", "null",
        "NULL", "nan",  "é",    "日本", "\u2028", "\U0001F98A", "\uFEFF", "#",   "{",
        "]",    "</b>", "true", "-",    "\x01",   "\x7f"};
    std::string result;
    for (size_t n = 1 + below(6); n > 0; --n) {
      if (one_in(3))
        append_character(result);
      else
        result += kParts[below(kParts.size())];
    }
    return result;
  }

  double number() {
    static constexpr double kLimits[] = {0.0,
                                         -0.0,
                                         1e300,
                                         -1e300,
                                         std::numeric_limits<double>::max(),
                                         std::numeric_limits<double>::denorm_min(),
                                         3.4028234663852886e38,
                                         9007199254740993.0,
                                         0.1,
                                         -1.0 / 3};
    if (one_in(2)) return kLimits[below(std::size(kLimits))];
    const uint64_t exponent = 1023 - 20 + below(40);
    return std::bit_cast<double>((random_() & ~(uint64_t{0x7ff} << 52)) | (exponent << 52));
  }

  uint64_t bits() { return random_(); }

 private:
  void append_character(std::string& out) {
    auto code = static_cast<uint32_t>(1 + below(one_in(2) ? 0x7f : 0x10ffff));
    if (code >= 0xd800 && code < 0xe000) code = 0xe9;
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += {static_cast<char>(0xc0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
    } else if (code < 0x10000) {
      out += {static_cast<char>(0xe0 | (code >> 12)), static_cast<char>(0x80 | ((code >> 6) & 63)),
              static_cast<char>(0x80 | (code & 63))};
    } else {
      out += {static_cast<char>(0xf0 | (code >> 18)), static_cast<char>(0x80 | ((code >> 12) & 63)),
              static_cast<char>(0x80 | ((code >> 6) & 63)), static_cast<char>(0x80 | (code & 63))};
    }
  }

  std::mt19937_64 random_;
};

std::string csv_quoted(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

std::string json_quoted(const std::string& text, Draw& draw) {
  std::string quoted = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      quoted += {'\\', c};
    else if (byte < 0x20 || (byte < 0x80 && draw.one_in(20)))
      quoted += fmt::format("\\u{:04x}", byte);
    else
      quoted += c;
  }
  return quoted + '"';
}

/// A number as it is written in every text format; nothing for other values.
std::optional<std::string> number_text(const Value& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return fmt::format("{}", *number);
  if (const auto* number = std::get_if<uint64_t>(&value)) return fmt::format("{}", *number);
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  return std::nullopt;
}

std::string csv_of(const Table& table, Draw& draw) {
  const char delimiter = ",;\t|"[draw.below(4)];
  const char* end = draw.one_in(2) ? "\n" : "\r\n";
  std::string csv;
  for (const Column& column : table.columns)
    csv += (csv.empty() ? "" : std::string(1, delimiter)) + csv_quoted(column.name);
  for (const auto& row : table.rows) {
    csv += end;
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) csv += delimiter;
      if (const auto number = number_text(row[i])) csv += *number;
      const auto* text = std::get_if<std::string>(&row[i]);
      if (text == nullptr) continue;
      const bool is_plain =
          !text->empty() && text->find_first_of("\",;\t|\r\n") == std::string::npos;
      csv += is_plain && draw.one_in(2) ? *text : csv_quoted(*text);
    }
  }
  return draw.one_in(2) ? csv : csv + end;
}

std::string json_of(const Table& table, Draw& draw) {
  std::string json;
  for (size_t r = 0; r < table.rows.size(); ++r) {
    std::string line;
    for (size_t i = 0; i < table.columns.size(); ++i) {
      const Value& value = table.rows[r][i];
      const bool is_null = std::holds_alternative<std::monostate>(value);
      if (is_null && r > 0 && draw.one_in(2)) continue;  // a lacking key is NULL too
      line += (line.empty() ? "{" : ", ") + json_quoted(table.columns[i].name, draw) + ": ";
      if (is_null) line += "null";
      if (const auto number = number_text(value)) line += *number;
      if (const auto* text = std::get_if<std::string>(&value)) line += json_quoted(*text, draw);
      if (const auto* list = std::get_if<List>(&value)) {
        line += '[';
        for (size_t k = 0; k < list->size(); ++k)
          line += (k > 0 ? ", " : "") + json_quoted((*list)[k], draw);
        line += ']';
      }
    }
    json += line + "}\n";
  }
  return json;
}

std::string sql_value(const Value& value, const std::string& type) {
  if (const auto number = number_text(value)) return "CAST('" + *number + "' AS " + type + ")";
  if (const auto* text = std::get_if<std::string>(&value)) return sql_literal(*text);
  const auto* list = std::get_if<List>(&value);
  if (list == nullptr) return "NULL";
  std::string sql;
  for (const std::string& item : *list) sql += (sql.empty() ? "" : ", ") + sql_literal(item);
  return "CAST([" + sql + "] AS VARCHAR[])";
}

void write_parquet(const Table& table, const std::string& path) {
  Database database({.threads = 1});
  std::string columns, rows;
  for (const Column& column : table.columns)
    columns += (columns.empty() ? "" : ", ") + sql_name(column.name) + " " + column.sql_type;
  for (const auto& row : table.rows) {
    std::string values;
    for (size_t i = 0; i < row.size(); ++i)
      values += (i > 0 ? ", " : "") + sql_value(row[i], table.columns[i].sql_type);
    rows += (rows.empty() ? "(" : ", (") + values + ")";
  }
  database.execute("CREATE TABLE t (" + columns + ")");
  database.execute("INSERT INTO t VALUES " + rows);
  database.execute("COPY t TO " + sql_literal(path) + " (FORMAT parquet)");
}

std::string gzipped(const std::string& text, const std::filesystem::path& path) {
  gzFile file = gzopen(path.c_str(), "wb");
  const auto size = static_cast<unsigned>(text.size());
  const bool is_whole = gzwrite(file, text.data(), size) == static_cast<int>(size);
  return gzclose(file) == Z_OK && is_whole ? "" : "gzwrite failed";
}

std::string zstd_of(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 1));
  return packed;
}

class IngestFormats : public IngestTest {
 protected:
  IngestFormats() {
    how.data.time_format.clear();
    how.data.columns.split.clear();
    how.data.columns.query = "query";
    how.data.columns.weight = "weight";
    how.data.text = {{"title", 12}};
    how.data.feature = {
        {.column = "document", .of = "document"},
        {.column = "kind, \"x\" é", .of = "document"},
        {.column = "tags", .of = "document"},
        {.column = "price", .of = "document", .kind = "number", .transform = "signed_log"},
        {.column = "user", .of = "user"},
        {.column = "place", .of = "context", .separator = ","},
        {.column = "x", .of = "context", .kind = "number", .transform = "signed_log"}};
    how.data.counter = {{.by = {"user", "place"}}};
    how.data.history = {{.name = "clicks", .where = "label = 1 and place is not null"}};
    how.threads = 1;
  }

  static Value maybe(Draw& draw, Value value) {
    if (draw.one_in(6)) return {};
    return draw.one_in(8) && std::holds_alternative<std::string>(value) ? Value(std::string())
                                                                        : value;
  }

  /// IDs of one type, each once.
  static std::vector<Value> draw_ids(Draw& draw, size_t count, std::string& type) {
    const size_t kind = draw.below(3);
    type = kind == 0 ? "VARCHAR" : kind == 1 ? "BIGINT" : "UBIGINT";
    std::vector<Value> ids;
    for (size_t i = 0; i < count; ++i) {
      if (kind == 0) ids.emplace_back(draw.text() + std::to_string(i));
      if (kind == 1)
        ids.emplace_back(i == 0 ? std::numeric_limits<int64_t>::min()
                                : static_cast<int64_t>((draw.bits() & ~uint64_t{255}) | i));
      if (kind == 2)
        ids.emplace_back(i == 0 ? std::numeric_limits<uint64_t>::max()
                                : (draw.bits() & ~uint64_t{255}) | i);
    }
    return ids;
  }

  static Table draw_documents(Draw& draw, std::vector<Value>& ids, bool with_lists) {
    std::string type;
    ids = draw_ids(draw, 1 + draw.below(12), type);
    Table table{{{"document", type},
                 {"title", "VARCHAR"},
                 {"kind, \"x\" é", "VARCHAR"},
                 {"tags", with_lists ? "VARCHAR[]" : "VARCHAR"},
                 {"price", "DOUBLE"}},
                {}};
    for (const Value& id : ids) {
      Value tags = draw.text();
      if (with_lists) {
        List list;
        for (size_t n = draw.below(4); n > 0; --n)
          list.push_back(draw.one_in(5) ? "" : draw.text());
        tags = list;
      }
      // The first document's are there, so that JSON shows a list in each column of lists.
      table.rows.push_back({id, maybe(draw, draw.text()), maybe(draw, draw.text()),
                            table.rows.empty() ? tags : maybe(draw, tags),
                            maybe(draw, draw.number())});
    }
    return table;
  }

  static Table draw_events(Draw& draw, const std::vector<Value>& documents,
                           const std::string& document_type) {
    std::string user_type;
    const std::vector<Value> users = draw_ids(draw, 1 + draw.below(5), user_type);
    static constexpr int64_t kScales[] = {1, 1000, 1'000'000, 1'000'000'000};
    const int64_t scale = kScales[draw.below(4)];
    Table table{{{"user", user_type},
                 {"document", document_type},
                 {"time", "BIGINT"},
                 {"label", "INTEGER"},
                 {"query", "VARCHAR"},
                 {"weight", "DOUBLE"},
                 {"place", "VARCHAR"},
                 {"x", "DOUBLE"}},
                {}};
    for (size_t n = 1 + draw.below(30); n > 0; --n) {
      const int64_t time = 1'600'000'000 + static_cast<int64_t>(draw.below(1000));
      table.rows.push_back(
          {users[draw.below(users.size())], documents[draw.below(documents.size())],
           time * scale + static_cast<int64_t>(draw.below(static_cast<size_t>(scale))),
           static_cast<int64_t>(draw.below(2)), maybe(draw, draw.text()),
           0.25 * static_cast<double>(draw.below(9)), maybe(draw, draw.text()),
           maybe(draw, draw.number())});
    }
    return table;
  }

  void write_as(const std::string& ending, const std::string& name, const Table& table,
                Draw& draw) {
    const std::filesystem::path path = folder.path() / (name + ending);
    if (ending == ".parquet") return write_parquet(table, path.string());
    const std::string text =
        ending.starts_with(".csv") ? csv_of(table, draw) : json_of(table, draw);
    if (ending.ends_with(".gz"))
      ASSERT_EQ(gzipped(text, path), "");
    else
      write(name + ending, ending.ends_with(".zst") ? zstd_of(text) : text);
  }
};

TEST_F(IngestFormats, EveryFormatGivesOneStore) {
  const bool is_long = std::getenv("LEMUR_LONG") != nullptr;
  const uint64_t tables = is_long ? 1000 : 25;
  for (uint64_t seed = 0; seed < tables; ++seed) {
    Draw draw(seed);
    const bool with_lists = draw.one_in(3);  // which CSV has not
    std::vector<Value> ids;
    const Table documents = draw_documents(draw, ids, with_lists);
    const Table events = draw_events(draw, ids, documents.columns[0].sql_type);
    std::optional<nlohmann::json> first;
    std::vector<std::string> endings = {".parquet", ".jsonl"};
    if (!with_lists) endings.insert(endings.end(), {".csv", ".csv.gz", ".csv.zst"});
    for (const std::string& ending : endings) {
      write_as(ending, "d", documents, draw);
      write_as(ending, "e", events, draw);
      how.data.documents = "d" + ending;
      how.data.events = "e" + ending;
      try {
        ingest(how);
      } catch (const Error& error) {
        FAIL() << "table " << seed << ending << ": " << error.what();
      }
      nlohmann::json manifest = open_folder(how.store);
      nlohmann::json store = {{"files", manifest["files"]}, {"schema", manifest["schema"]}};
      if (!first) first = store;
      ASSERT_EQ(*first, store) << "table " << seed << " as " << ending
                               << " and as .parquet: " << nlohmann::json::diff(*first, store);
    }
  }
}

}  // namespace
}  // namespace lemur
