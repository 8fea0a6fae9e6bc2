#include "lemur/data/ingest_images.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/data/image_decoder.h"
#include "lemur/data/share.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxBatchBytes = size_t{32} << 20;
constexpr size_t kMaxListed = 1000;

/// What became of an image.
struct Outcome {
  const char* key = "none";  ///< of the summary
  std::string problem = {};
};

/// A document's image: what documents hold and what became of it.
struct DocumentImage {
  std::string_view document, value;  // value: path or bytes; empty: none
  bool is_bytes = false;
  Outcome outcome = {};
  const char* format = nullptr;  // of a decoded one
};

/// Reads a whole file into `bytes`. Returns what is wrong with it; nothing where it was read.
std::optional<Outcome> fault_of_file(const fs::path& path, std::vector<uint8_t>& bytes) {
  std::error_code error;
  fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return Outcome{"missing", "no such file"};
  if (error) return Outcome{"missing", error.message()};
  if (fs::is_directory(status)) return Outcome{"missing", "a directory"};
  if (!fs::is_regular_file(status)) return Outcome{"missing", "no regular file"};
  uint64_t size = fs::file_size(path, error);
  if (!error && size > kMaxImageBytes)
    return Outcome{name_of(ImageStatus::kTooLarge),
                   fmt::format("{} bytes; at most {} are allowed", size, kMaxImageBytes)};
  std::ifstream in(path, std::ios::binary);
  bytes.resize(error ? 0 : size);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (error || !in) return Outcome{"missing", "cannot be read"};
  return std::nullopt;
}

/// Writes one image field.
class ImageColumn {
 public:
  ImageColumn(IngestContext& context, const IngestSource& documents, size_t index);

  /// SQL of the columns that append() takes, each with a comma before it.
  std::string sql() const;
  /// Appends a chunk of documents.
  void append(std::span<const ColumnView> view, size_t num_rows);
  /// Appends a document of the events that documents lacks.
  void append_unknown() { append_row(DocumentImage{}, {}); }
  /// Writes what is left and the field's summary.
  void close();

 private:
  void decode_batch(std::span<DocumentImage> images);
  void decode(DocumentImage& image, std::vector<uint8_t>& scratch, std::span<uint8_t> rgb) const;
  void append_row(const DocumentImage& image, std::span<const uint8_t> rgb);
  void note_problem(const DocumentImage& image);

  IngestContext& context_;
  const IngestSource& documents_;
  const ImageFieldOptions& options_;
  StoreSchema::ImageField& field_;
  std::string bytes_sql_, path_sql_;
  size_t size_;  // bytes of one decoded image
  ColumnFile rows_, pixels_;
  std::vector<uint8_t> batch_;
  std::map<std::string, uint64_t> counts_, formats_;
  nlohmann::json problems_ = nlohmann::json::array();
  uint64_t num_problems_ = 0;
};

ImageColumn::ImageColumn(IngestContext& context, const IngestSource& documents, size_t index)
    : context_(context),
      documents_(documents),
      options_(context.options.data.image[index]),
      field_(context.schema.images[index]),
      bytes_sql_("CAST(NULL AS BLOB)"),
      path_sql_("CAST(NULL AS VARCHAR)"),
      size_(static_cast<size_t>(3 * options_.pixels * options_.pixels)),
      rows_(context.folder.file(fmt::format("image_{}.rows.u32", index))),
      pixels_(context.folder.file(fmt::format("image_{}.rgb.u8", index))) {
  for (const std::string& column : image_columns(documents, options_.column)) {
    const bool is_bytes = value_kind(documents.column(column).sql_type) == ValueKind::kBlob;
    if (is_bytes)
      bytes_sql_ = sql_name(column);
    else
      path_sql_ = documents.text_sql(column);
  }
}

std::string ImageColumn::sql() const { return ", __id, " + bytes_sql_ + ", " + path_sql_; }

void ImageColumn::append(std::span<const ColumnView> view, size_t num_rows) {
  std::vector<DocumentImage> images(num_rows);
  for (size_t row = 0; row < num_rows; ++row) {
    images[row].document = view[0].text(row);
    images[row].is_bytes = !view[1].is_null(row);
    const ColumnView& value = images[row].is_bytes ? view[1] : view[2];
    if (!value.is_null(row)) images[row].value = value.text(row);
  }
  size_t most = std::max<size_t>(kMaxBatchBytes / size_, 1);
  for (size_t begin = 0; begin < num_rows; begin += most)
    decode_batch(std::span(images).subspan(begin, std::min(most, num_rows - begin)));
}

void ImageColumn::decode_batch(std::span<DocumentImage> images) {
  constexpr size_t kPart = 4;
  batch_.resize(images.size() * size_);
  auto pixels_of = [&](size_t i) { return std::span(batch_).subspan(i * size_, size_); };
  share(images.size(), kPart, context_.options.threads, [&](size_t begin, size_t end) {
    std::vector<uint8_t> scratch;
    for (size_t i = begin; i < end; ++i) decode(images[i], scratch, pixels_of(i));
  });
  for (size_t i = 0; i < images.size(); ++i) append_row(images[i], pixels_of(i));
}

void ImageColumn::decode(DocumentImage& image, std::vector<uint8_t>& scratch,
                         std::span<uint8_t> rgb) const {
  if (image.value.empty()) return;
  std::span bytes(reinterpret_cast<const uint8_t*>(image.value.data()), image.value.size());
  if (!image.is_bytes) {
    if (auto fault = fault_of_file(documents_.folder() / image.value, scratch)) {
      image.outcome = *fault;
      return;
    }
    bytes = scratch;
  }
  DecodeResult result = decode_image(bytes, options_.pixels, options_.max_megapixels, rgb);
  if (result.status == ImageStatus::kOk) {
    image.outcome.key = "images";
    image.format = name_of(result.format);
  } else {
    image.outcome = {name_of(result.status), std::move(result.message)};
  }
}

void ImageColumn::append_row(const DocumentImage& image, std::span<const uint8_t> rgb) {
  ++counts_[image.outcome.key];
  if (image.format == nullptr) {
    rows_.append(kNone);
    if (!image.outcome.problem.empty()) note_problem(image);
    return;
  }
  ++formats_[image.format];
  rows_.append(static_cast<uint32_t>(field_.num_images++));
  pixels_.append(rgb.data(), rgb.size());
}

void ImageColumn::note_problem(const DocumentImage& image) {
  if (++num_problems_ > kMaxListed) return;
  problems_.push_back({{"document", image.document},
                       {"image", image.is_bytes ? fmt::format("({} bytes)", image.value.size())
                                                : std::string(image.value)},
                       {"problem", image.outcome.problem}});
}

void ImageColumn::close() {
  rows_.close();
  pixels_.close();
  auto& summary = context_.summary["images"][options_.column];
  for (const char* key : {"images", "none", "missing", "broken", "unsupported", "too_large"})
    summary[key] = counts_[key];
  summary["formats"] = formats_;
  summary["problems_not_listed"] = num_problems_ - problems_.size();
  summary["problems"] = std::move(problems_);
}

}  // namespace

void declare_images(StoreSchema& schema, const DataOptions& options) {
  for (const auto& field : options.image) schema.images.push_back({field.column, field.pixels});
}

std::vector<std::string> image_columns(const IngestSource& documents, const std::string& field) {
  std::vector<std::string> columns;
  if (!documents.has(field) || documents.is_readable(field)) {
    documents.column(field);
    return {field};
  }
  const std::string bytes = field + ".bytes", path = field + ".path";
  if (documents.has(bytes) && value_kind(documents.column(bytes).sql_type) == ValueKind::kBlob)
    columns.push_back(bytes);
  if (documents.has(path)) columns.push_back(path);
  if (columns.empty()) documents.column(field);
  return columns;
}

void write_images(IngestContext& context, const IngestTables& tables) {
  uint64_t done = 0, total = context.schema.images.size() * context.schema.num_documents;
  for (size_t i = 0; i < context.schema.images.size(); ++i) {
    ImageColumn column(context, tables.documents(), i);
    tables.query_documents(column.sql(), [&](std::span<const ColumnView> view, size_t num_rows) {
      column.append(view, num_rows);
      context.report("images", done += num_rows, total);
    });
    tables.query_unknown_documents([&](std::string_view) { column.append_unknown(), ++done; });
    context.report("images", done, total);
    column.close();
  }
}

}  // namespace lemur
