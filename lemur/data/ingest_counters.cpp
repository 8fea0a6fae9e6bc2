#include "lemur/data/ingest_counters.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "lemur/base/error.h"
#include "lemur/data/count_map.h"
#include "lemur/data/record_reader.h"
#include "lemur/features/counter.h"
#include "lemur/features/known.h"

namespace lemur {
namespace {

constexpr double kMsPerDay = 86'400'000;
constexpr uint64_t kRunLength = uint64_t{1} << 22;  // requests that are sorted in memory

/// SQL of a column's value as one name.
std::string name_sql(const IngestSource& source, const std::string& column,
                     const std::string& alias) {
  return source.is_list(column) ? source.text_sql(column, alias)
                                : source.category_sql(column, alias);
}

struct RecordRange {
  uint64_t begin, end;
};

/// Ranges of a file of records, each sorted by time, merged in the order of time.
template <typename Record>
class MergedRuns {
 public:
  MergedRuns(const std::filesystem::path& path, const std::vector<RecordRange>& ranges) {
    for (const RecordRange& range : ranges) runs_.emplace_back(path, range.begin, range.end);
    choose();
  }

  bool has_record() const { return first_ != nullptr; }
  const Record& record() const { return first_->record(); }
  void advance() {
    first_->advance();
    choose();
  }
  bool is_before(int64_t time) const { return has_record() && record().time < time; }

 private:
  void choose() {
    first_ = nullptr;
    for (auto& run : runs_)
      if (run.has_record() && (first_ == nullptr || run.record().time < first_->record().time))
        first_ = &run;
  }

  std::vector<RecordReader<Record>> runs_;
  RecordReader<Record>* first_ = nullptr;
};

/// Numbers of a temporary file that are written in any order; the system pages them out.
class ScatterFile {
 public:
  ScatterFile(const std::filesystem::path& path, uint64_t size) : path_(path), size_(size) {
    std::ofstream(path_, std::ios::binary).close();
    std::error_code error;
    std::filesystem::resize_file(path_, bytes(), error);
    file_ = error ? nullptr : std::fopen(path_.c_str(), "r+b");
    if (file_ != nullptr)
      data_ = ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, ::fileno(file_), 0);
    if (file_ == nullptr || data_ == MAP_FAILED) {
      const std::string why = error ? error.message() : std::strerror(errno);
      fail<DataError>("ingest", "cannot write {}: {}", path_.string(), why);
    }
  }
  ~ScatterFile() {
    ::munmap(data_, bytes());
    std::fclose(file_);
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  ScatterFile(const ScatterFile&) = delete;
  ScatterFile& operator=(const ScatterFile&) = delete;

  std::span<double> numbers() { return {static_cast<double*>(data_), size_}; }

 private:
  size_t bytes() const { return std::max<size_t>(size_ * sizeof(double), 1); }

  std::filesystem::path path_;
  size_t size_;
  FILE* file_ = nullptr;
  void* data_ = nullptr;
};

}  // namespace

std::vector<CounterOptions> counters_of(const DataOptions& data) {
  const ColumnsOptions& columns = data.columns;
  if (!data.counter.empty() || !data.click_counters || columns.query.empty()) return data.counter;
  std::vector<CounterOptions> counters;
  for (const std::vector<std::string>& by :
       {std::vector{columns.document}, std::vector{columns.query, columns.document}})
    counters.push_back({.by = by, .label = columns.labels.at(0), .splits = {"train"}});
  return counters;
}

CounterPass::CounterPass(IngestContext& context, const IngestTables& tables, size_t index)
    : index_(index),
      events_path_(context.folder.file(fmt::format("counter_{}.events.tmp", index))),
      requests_path_(context.folder.file(fmt::format("counter_{}.requests.tmp", index))),
      events_(events_path_),
      requests_(requests_path_),
      keys_(context.folder.file(fmt::format("counter_{}.keys.u64", index))) {
  const CounterOptions& options = context.options.data.counter[index];
  counter_ = {.by = options.by,
              .label = options.label,
              .window_ms = std::llround(options.window_days * kMsPerDay),
              .delay_ms = std::llround(options.delay_seconds * 1000),
              .smoothing = options.smoothing,
              .splits = options.splits};
  const auto& labels = context.schema.labels;
  label_ = static_cast<size_t>(std::ranges::find(labels, options.label) - labels.begin());
  if (counter_.window_ms > 0 && counter_.window_ms <= counter_.delay_ms)
    fail<InvalidArgument>(
        "ingest",
        "counter by {}: window_days = {} is not longer than delay_seconds = {}, it would count "
        "nothing",
        fmt::join(options.by, ", "), options.window_days, options.delay_seconds);
  counted_splits(context.schema);  // throws
  const ColumnsOptions& columns = context.options.data.columns;
  document_parts_.resize(counter_.by.size());
  for (size_t j = 0; j < counter_.by.size(); ++j) {
    const std::string& column = counter_.by[j];
    const bool of_event = tables.events().has(column);
    counter_.of_document.push_back(!of_event);
    if (!of_event) {
      read_document_parts(context, tables, j);
      continue;
    }
    ++num_columns_;
    sql_ += ", " + (column == columns.user       ? "e.__user"
                    : column == columns.document ? "e.__document"
                    : column == columns.query    ? "e.__query"
                                                 : name_sql(tables.events(), column, "e."));
  }
}

void CounterPass::read_document_parts(IngestContext& context, const IngestTables& tables,
                                      size_t column) {
  std::vector<uint64_t>& parts = document_parts_[column];
  tables.query_documents(
      ", " + name_sql(tables.documents(), counter_.by[column], "d."),
      [&](std::span<const ColumnView> view, size_t rows) {
        for (size_t row = 0; row < rows; ++row)
          parts.push_back(
              counter_part(view[0].is_null(row) ? std::nullopt : std::optional(view[0].text(row))));
      });
  parts.resize(context.schema.num_documents, counter_part(std::nullopt));  // of unknown ones
  ColumnFile file(context.folder.file(fmt::format("counter_{}.{}.u64", index_, column)));
  file.append(parts.data(), parts.size() * sizeof(uint64_t));
  file.close();
}

std::vector<size_t> CounterPass::counted_splits(const StoreSchema& schema) const {
  std::vector<size_t> splits;
  for (size_t i = 0; i < schema.splits.size(); ++i)
    if (counter_.splits.empty()) splits.push_back(i);
  for (const std::string& name : counter_.splits) {
    const auto number = static_cast<size_t>(&schema.split(name) - schema.splits.data());
    if (std::ranges::find(splits, number) == splits.end()) splits.push_back(number);
  }
  return splits;
}

void CounterPass::append(int64_t time, int64_t request_time, uint32_t document, bool label,
                         std::span<const ColumnView> values, size_t row) {
  parts_.clear();
  for (size_t j = 0, next = 0; j < counter_.by.size(); ++j) {
    if (counter_.of_document[j]) {
      parts_.push_back(document_parts_[j][document]);
    } else {
      const ColumnView& value = values[next++];
      parts_.push_back(
          counter_part(value.is_null(row) ? std::nullopt : std::optional(value.text(row))));
    }
  }
  const uint64_t key = counter_key(parts_);
  keys_.append(key);
  const Event event{time, key << 1 | static_cast<uint64_t>(label)};
  events_.append(&event, sizeof(event));
  const Request request{request_time, key, num_events_++};
  requests_.append(&request, sizeof(request));
}

void CounterPass::sort_requests() const {
  std::fstream file(requests_path_, std::ios::binary | std::ios::in | std::ios::out);
  std::vector<Request> run;
  for (uint64_t begin = 0; begin < num_events_; begin += kRunLength) {
    run.resize(std::min(kRunLength, num_events_ - begin));
    const auto offset = static_cast<std::streamoff>(begin * sizeof(Request));
    const auto size = static_cast<std::streamsize>(run.size() * sizeof(Request));
    file.seekg(offset).read(reinterpret_cast<char*>(run.data()), size);
    std::ranges::stable_sort(run, {}, &Request::time);
    file.seekp(offset).write(reinterpret_cast<const char*>(run.data()), size);
    if (!file) fail<DataError>("ingest", "cannot sort {}", requests_path_.string());
  }
}

void CounterPass::pass(const StoreSchema& schema, std::span<double> rates,
                       std::span<double> counts) {
  std::vector<RecordRange> counted, runs;
  for (size_t split : counted_splits(schema))
    counted.push_back({schema.splits[split].begin, schema.splits[split].end});
  for (uint64_t begin = 0; begin < num_events_; begin += kRunLength)
    runs.push_back({begin, std::min(begin + kRunLength, num_events_)});
  CountMap map;
  CounterState state;
  MergedRuns<Event> known(events_path_, counted), expired(events_path_, counted);
  for (MergedRuns<Request> now(requests_path_, runs); now.has_record(); now.advance()) {
    const Request& request = now.record();
    const int64_t end = known_before(request.time, counter_.delay_ms);
    const int64_t begin = window_begin(request.time, counter_.window_ms);
    for (; known.is_before(end); known.advance()) {
      const uint64_t label = known.record().key_and_label & 1;
      map.add(known.record().key_and_label >> 1, label != 0);
      ++state.count_of_all, state.positives_of_all += label;
    }
    for (; expired.is_before(begin); expired.advance()) {
      const uint64_t label = expired.record().key_and_label & 1;
      map.remove(expired.record().key_and_label >> 1, label != 0);
      --state.count_of_all, state.positives_of_all -= label;
    }
    const CountMap::Counts own = map.find(request.key);
    state.count = own.count, state.positives = own.clicks;
    const CounterValues values = counter_values(state, counter_.smoothing);
    rates[request.event] = values.rate;
    counts[request.event] = values.count;
  }
  most_keys_ = map.most_keys();
}

void CounterPass::write_feature(IngestContext& context, const char* kind,
                                std::span<const double> values) {
  const std::string& user = context.options.data.columns.user;
  const bool has_user = std::ranges::find(counter_.by, user) != counter_.by.end();
  StoreSchema::Feature feature{
      .name = fmt::format("{}({})", kind, fmt::join(counter_.by, ",")),
      .of = !has_user ? "context" : (counter_.by.size() == 1 ? "user" : "cross"),
      .is_number = true};
  // Several counters of one key differ in their label, window or splits.
  auto& features = context.schema.features;
  const std::string plain = feature.name;
  for (size_t same = 2;
       std::ranges::find(features, feature.name, &StoreSchema::Feature::name) != features.end();
       ++same)
    feature.name = fmt::format("{}#{}", plain, same);
  NumberFile file(context.folder, features.size(), "none", 0);
  for (const StoreSchema::Split& split : context.schema.splits)
    for (uint64_t event = split.begin; event < split.end; ++event)
      file.append(values[event], split.name == "train");
  file.close(feature);
  context.summary["counters"][feature.name] = {{"most_keys", most_keys_},
                                               {"label", counter_.label},
                                               {"mean", feature.scale.mean},
                                               {"deviation", feature.scale.deviation},
                                               {"missing", file.num_missing()}};
  features.push_back(feature);
}

void CounterPass::write_features(IngestContext& context) {
  events_.close(), requests_.close(), keys_.close();
  sort_requests();
  {
    ScatterFile rates(context.folder.file(fmt::format("counter_{}.rate.tmp", index_)), num_events_);
    ScatterFile counts(context.folder.file(fmt::format("counter_{}.count.tmp", index_)),
                       num_events_);
    pass(context.schema, rates.numbers(), counts.numbers());
    counter_.rate_feature = context.schema.features.size();
    write_feature(context, "rate", rates.numbers());
    counter_.count_feature = context.schema.features.size();
    write_feature(context, "count", counts.numbers());
  }
  std::filesystem::remove(events_path_);
  std::filesystem::remove(requests_path_);
  context.schema.counters.push_back(counter_);
}

}  // namespace lemur
