#include "lemur/data/sample_store.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "lemur/base/error.h"
#include "lemur/features/known.h"

namespace lemur {
namespace {

constexpr const char* kFormat = "lemur sample store";

/// Maps the columns of one folder and checks their sizes.
class ColumnReader {
 public:
  ColumnReader(const std::filesystem::path& path, std::vector<MappedFile>& files)
      : path_(path), files_(files) {}

  template <typename T>
  std::span<const T> column(const std::string& name, uint64_t num_rows) {
    std::span<const T> items = map<T>(name);
    if (items.size() != num_rows)
      fail<DataError>("store", "{} has {} items; the schema says {}", (path_ / name).string(),
                      items.size(), num_rows);
    return items;
  }

  std::span<const uint64_t> offsets(const std::string& name, uint64_t num_rows) {
    std::span<const uint64_t> items = column<uint64_t>(name, num_rows + 1);
    if (items.front() != 0)
      fail<DataError>("store", "{} starts with {}, expected 0", (path_ / name).string(),
                      items.front());
    return items;
  }

  template <typename T>
  RaggedView<T> ragged(const std::string& stem, const std::string& items, uint64_t num_rows) {
    RaggedView<T> view;
    view.offsets = offsets(stem + ".offsets.u64", num_rows);
    view.items = column<T>(stem + items, view.offsets.back());
    return view;
  }

 private:
  template <typename T>
  std::span<const T> map(const std::string& name) {
    files_.emplace_back(path_ / name);
    return files_.back().as<T>();
  }

  const std::filesystem::path& path_;
  std::vector<MappedFile>& files_;
};

std::string_view text(const RaggedView<char>& rows, size_t row) {
  std::span<const char> item = rows[row];
  return {item.data(), item.size()};
}

}  // namespace

SampleStore::SampleStore(const std::filesystem::path& path, bool verify)
    : path_(path), manifest_(open_folder(path, verify)) {
  if (manifest_.value("format", nlohmann::json()) != kFormat)
    fail<DataError>("store", "{} is no sample store: the manifest's format is {}", path.string(),
                    manifest_.value("format", nlohmann::json()).dump());
  if (manifest_.value("version", nlohmann::json()) != kVersion)
    fail<DataError>("store", "{} has version {}; this program reads version {}: ingest again",
                    path.string(), manifest_.value("version", nlohmann::json()).dump(), kVersion);
  schema_ = StoreSchema::from_json(manifest_.value("schema", nlohmann::json()));
  map_documents();
  map_images();
  map_events();
  map_features();
  map_counters();
  map_histories();
  open_matcher();
}

void SampleStore::map_documents() {
  ColumnReader reader(path_, files_);
  const StoreSchema& s = schema_;
  document_ids_ = reader.ragged<char>("document_ids", ".bytes", s.num_documents);
  document_keys_ = reader.column<uint64_t>("document_keys.u64", s.num_documents);
  document_tokens_ =
      reader.ragged<int32_t>("document_tokens", ".i32", s.num_documents * s.text.size());
  document_first_seen_ = reader.column<int64_t>("document_first_seen.i64", s.num_documents);
  query_texts_ = reader.ragged<char>("query_texts", ".bytes", s.num_queries);
  query_keys_ = reader.column<uint64_t>("query_keys.u64", s.num_queries);
  query_tokens_ = reader.ragged<int32_t>("query_tokens", ".i32", s.num_queries);
  user_ids_ = reader.ragged<char>("user_ids", ".bytes", s.num_users);
}

void SampleStore::map_images() {
  ColumnReader reader(path_, files_);
  for (size_t i = 0; i < schema_.images.size(); ++i) {
    const StoreSchema::ImageField& field = schema_.images[i];
    ImageColumns images;
    images.size = static_cast<size_t>(3 * field.pixels * field.pixels);
    images.rows =
        reader.column<uint32_t>(fmt::format("image_{}.rows.u32", i), schema_.num_documents);
    images.pixels =
        reader.column<uint8_t>(fmt::format("image_{}.rgb.u8", i), field.num_images * images.size);
    images_.push_back(images);
  }
}

void SampleStore::map_events() {
  ColumnReader reader(path_, files_);
  uint64_t n = schema_.num_events;
  times_ = reader.column<int64_t>("event_time.i64", n);
  request_times_ = reader.column<int64_t>("event_request_time.i64", n);
  users_ = reader.column<uint32_t>("event_user.u32", n);
  documents_ = reader.column<uint32_t>("event_document.u32", n);
  queries_ = reader.column<uint32_t>("event_query.u32", n);
  requests_ = reader.column<uint64_t>("event_request.u64", n);
  rows_ = reader.column<uint64_t>("event_row.u64", n);
  weights_ = reader.column<float>("event_weight.f32", n);
  for (size_t k = 0; k < schema_.labels.size(); ++k)
    labels_.push_back(reader.column<uint8_t>(fmt::format("label_{}.u8", k), n));
  if (schema_.has_requests) request_ids_ = reader.ragged<char>("request_ids", ".bytes", n);
}

void SampleStore::map_features() {
  ColumnReader reader(path_, files_);
  categories_.resize(schema_.features.size());
  numbers_.resize(schema_.features.size());
  for (size_t i = 0; i < schema_.features.size(); ++i) {
    const StoreSchema::Feature& feature = schema_.features[i];
    uint64_t num_rows = feature.of == "document" ? schema_.num_documents : schema_.num_events;
    std::string stem = fmt::format("feature_{}", i);
    if (feature.is_match) continue;
    if (feature.is_number)
      numbers_[i] = reader.column<float>(stem + ".f32", num_rows);
    else
      categories_[i] = reader.ragged<uint64_t>(stem, ".keys.u64", num_rows);
  }
}

void SampleStore::map_counters() {
  ColumnReader reader(path_, files_);
  for (size_t c = 0; c < schema_.counters.size(); ++c) {
    const StoreSchema::Counter& counter = schema_.counters[c];
    CounterColumns columns;
    columns.keys =
        reader.column<uint64_t>(fmt::format("counter_{}.keys.u64", c), schema_.num_events);
    for (size_t j = 0; j < counter.by.size(); ++j)
      columns.parts.push_back(counter.of_document[j]
                                  ? reader.column<uint64_t>(fmt::format("counter_{}.{}.u64", c, j),
                                                            schema_.num_documents)
                                  : std::span<const uint64_t>());
    counter_columns_.push_back(std::move(columns));
  }
}

void SampleStore::map_histories() {
  ColumnReader reader(path_, files_);
  for (size_t h = 0; h < schema_.histories.size(); ++h) {
    std::string stem = fmt::format("history_{}", h);
    ActionColumns actions;
    actions.offsets = reader.offsets(stem + ".offsets.u64", schema_.num_users);
    uint64_t n = actions.offsets.back();
    actions.all.documents = reader.column<uint32_t>(stem + ".documents.u32", n);
    actions.all.times = reader.column<int64_t>(stem + ".times.i64", n);
    actions.all.actions = reader.column<uint8_t>(stem + ".actions.u8", n);
    actions_.push_back(actions);
  }
}

void SampleStore::open_matcher() {
  if (schema_.matches.empty()) return;
  files_.emplace_back(path_ / kWordKeysFile);
  const auto keys = files_.back().as<uint64_t>();
  files_.emplace_back(path_ / kWordDocumentsFile);
  const auto documents = files_.back().as<uint32_t>();
  matcher_ = std::make_unique<TextMatcher>(read_pieces(vocabulary_path()), schema_,
                                           WordCounts{keys, documents});
}

std::string_view SampleStore::document_id(uint32_t document) const {
  return text(document_ids_, document);
}

std::string_view SampleStore::user_id(uint32_t user) const { return text(user_ids_, user); }

std::string_view SampleStore::query_text(uint32_t query) const { return text(query_texts_, query); }

std::span<const int32_t> SampleStore::document_tokens(uint32_t document, size_t field) const {
  return document_tokens_[document * schema_.text.size() + field];
}

std::span<const uint8_t> SampleStore::image(uint32_t document, size_t field) const {
  const ImageColumns& images = images_[field];
  uint32_t row = images.rows[document];
  if (row == kNone) return {};
  uint64_t num_images = schema_.images[field].num_images;
  if (row >= num_images)
    fail<DataError>("store", "{}: document {} has image {} of {} in field '{}'", path_.string(),
                    document, row, num_images, schema_.images[field].name);
  return images.pixels.subspan(row * images.size, images.size);
}

HistoryView SampleStore::history(size_t history, uint32_t user, int64_t request_time) const {
  const ActionColumns& actions = actions_[history];
  auto times = actions.all.times;
  auto first = times.begin() + static_cast<ptrdiff_t>(actions.offsets[user]);
  auto last = times.begin() + static_cast<ptrdiff_t>(actions.offsets[user + 1]);
  last = std::lower_bound(first, last,
                          known_before(request_time, schema_.histories[history].delay_ms));
  first = last - std::min<ptrdiff_t>(last - first, schema_.histories[history].length);
  auto begin = static_cast<size_t>(first - times.begin());
  auto size = static_cast<size_t>(last - first);
  return {actions.all.documents.subspan(begin, size), times.subspan(begin, size),
          actions.all.actions.subspan(begin, size)};
}

std::string SampleStore::request_name(uint64_t event) const {
  if (schema_.has_requests) return std::string(text(request_ids_, event));
  return fmt::format("{}:{}", user_id(users_[event]), times_[event]);
}

ColumnFile::ColumnFile(const std::filesystem::path& path)
    : name_(path.string()), file_(std::fopen(path.c_str(), "wb")) {
  if (file_ == nullptr)
    fail<DataError>("store", "cannot create {}: {}", name_, std::strerror(errno));
  std::setvbuf(static_cast<FILE*>(file_), nullptr, _IOFBF, 1 << 16);
}

ColumnFile::~ColumnFile() {
  if (file_ != nullptr) std::fclose(static_cast<FILE*>(file_));
}

ColumnFile::ColumnFile(ColumnFile&& other) noexcept
    : name_(std::move(other.name_)), file_(std::exchange(other.file_, nullptr)) {}

void ColumnFile::append(const void* data, size_t size_bytes) {
  ensure(file_ != nullptr, "store", "a column is appended to before it is closed");
  if (size_bytes == 0) return;  // `data` may be null then
  if (std::fwrite(data, 1, size_bytes, static_cast<FILE*>(file_)) != size_bytes)
    fail<DataError>("store", "cannot write {}: {}", name_, std::strerror(errno));
}

void ColumnFile::close() {
  if (file_ == nullptr) return;
  if (std::fclose(static_cast<FILE*>(std::exchange(file_, nullptr))) != 0)
    fail<DataError>("store", "cannot write {}: {}", name_, std::strerror(errno));
}

}  // namespace lemur
