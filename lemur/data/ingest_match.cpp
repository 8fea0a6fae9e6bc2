#include "lemur/data/ingest_match.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "lemur/base/error.h"
#include "lemur/features/text_match.h"

namespace lemur {
namespace {

constexpr uint64_t kMostSamples = 200'000;
constexpr double kClip = 0.001;  // as data.feature.clip

/// The columns that ingest wrote, read again.
class Written {
 public:
  Written(const FolderWriter& folder, const StoreSchema& schema)
      : num_fields_(schema.text.size()),
        text_begin_(folder.file("document_tokens.offsets.u64")),
        texts_(folder.file("document_tokens.i32")),
        query_begin_(folder.file("query_tokens.offsets.u64")),
        queries_(folder.file("query_tokens.i32")),
        event_document_(folder.file("event_document.u32")),
        event_query_(folder.file("event_query.u32")) {}

  std::span<const int32_t> text(uint32_t document, size_t field) const {
    return row(text_begin_, texts_, document * num_fields_ + field);
  }
  std::span<const int32_t> query(uint32_t query) const {
    return row(query_begin_, queries_, query);
  }
  std::span<const uint32_t> documents() const { return event_document_.as<uint32_t>(); }
  std::span<const uint32_t> queries() const { return event_query_.as<uint32_t>(); }

 private:
  static std::span<const int32_t> row(const MappedFile& offsets, const MappedFile& items,
                                      size_t row) {
    const auto begin = offsets.as<uint64_t>();
    return items.as<int32_t>().subspan(begin[row], begin[row + 1] - begin[row]);
  }
  size_t num_fields_;
  MappedFile text_begin_, texts_, query_begin_, queries_, event_document_, event_query_;
};

std::vector<MatchOptions> matches_of(const DataOptions& data) {
  if (!data.match.empty()) return data.match;
  return data.text_match && !data.columns.query.empty() && !data.text.empty()
             ? std::vector<MatchOptions>{{}}
             : std::vector<MatchOptions>();
}

StoreSchema::Match declare(const MatchOptions& option, const DataOptions& data,
                           const StoreSchema& schema) {
  if (data.columns.query.empty())
    fail<InvalidArgument>("ingest", "[[data.match]] needs data.columns.query, which is empty");
  if (!option.query.empty() && option.query != data.columns.query)
    fail<InvalidArgument>("ingest", "[[data.match]] matches '{}'; data.columns.query is '{}'",
                          option.query, data.columns.query);
  StoreSchema::Match match{.fields = {}, .k1 = option.k1, .b = option.b, .mean_words = {}};
  for (const std::string& name : option.text) {
    const auto found = std::ranges::find(schema.text, name, &StoreSchema::TextField::name);
    if (found == schema.text.end())
      fail<InvalidArgument>("ingest", "[[data.match]] names '{}'; no column of [[data.text]]",
                            name);
    match.fields.push_back(static_cast<uint64_t>(found - schema.text.begin()));
  }
  if (option.text.empty())
    for (uint64_t field = 0; field < schema.text.size(); ++field) match.fields.push_back(field);
  if (match.fields.empty())
    fail<InvalidArgument>("ingest", "[[data.match]] has no text: there is no [[data.text]]");
  return match;
}

/// Counts the documents of each word and the words of each field of the documents that training
/// shows.
struct Corpus {
  std::unordered_map<uint64_t, uint32_t> documents_of;
  std::vector<double> words;  // per field of the schema
  uint64_t documents = 0;

  Corpus(const Written& written, const StoreSchema& schema, const WordPieces& pieces)
      : words(schema.text.size()) {
    std::vector<bool> shown(schema.num_documents);
    const StoreSchema::Split& split = schema.split("train");
    for (uint64_t event = split.begin; event < split.end; ++event)
      shown[written.documents()[event]] = true;
    std::vector<uint64_t> keys;
    for (uint32_t document = 0; document < shown.size(); ++document) {
      if (!shown[document]) continue;
      ++documents;
      keys.clear();
      for (size_t field = 0; field < words.size(); ++field)
        pieces.for_each_word(written.text(document, field), [&](uint64_t key, size_t, size_t) {
          words[field] += 1;
          if (key != 0) keys.push_back(key);
        });
      std::ranges::sort(keys);
      keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
      for (uint64_t key : keys) ++documents_of[key];
    }
  }

  void write(const FolderWriter& folder) const {
    std::vector<std::pair<uint64_t, uint32_t>> sorted;
    for (const auto& [key, count] : documents_of)
      if (count > 1) sorted.emplace_back(key, count);
    std::ranges::sort(sorted);
    ColumnFile keys(folder.file(kWordKeysFile)), counts(folder.file(kWordDocumentsFile));
    for (const auto& [key, count] : sorted) keys.append(key), counts.append(count);
    keys.close(), counts.close();
  }

  void measure(StoreSchema::Match& match) const {
    const auto count = static_cast<double>(std::max<uint64_t>(documents, 1));
    double all = 0;
    for (uint64_t field : match.fields) {
      match.mean_words.push_back(words[field] / count);
      all += words[field] / count;
    }
    if (match.fields.size() > 1) match.mean_words.push_back(all);
    match.num_documents = documents;
  }
};

/// Returns the scale of a number from its values.
NumberScale learn_scale(std::vector<double>& values) {
  NumberScale scale{.transform = "clip"};
  if (values.empty()) return scale;
  const auto rank = [&](double share) {
    const auto at = values.begin() + std::lround(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
  };
  scale.low = rank(kClip);
  scale.high = rank(1 - kClip);
  double sum = 0, squares = 0;
  for (double value : values) sum += scale.transformed(value);
  scale.mean = sum / static_cast<double>(values.size());
  for (double value : values) squares += std::pow(scale.transformed(value) - scale.mean, 2);
  const double deviation = std::sqrt(squares / static_cast<double>(values.size()));
  scale.deviation = deviation > 1e-12 ? deviation : 1;
  return scale;
}

/// Returns each number's values on impressions of training that have a query.
std::vector<std::vector<double>> sample(const Written& written, const StoreSchema& schema,
                                        const TextMatcher& matcher) {
  std::vector<std::vector<double>> values(matcher.num_values());
  std::vector<double> row(matcher.num_values());
  std::vector<std::span<const int32_t>> texts(schema.text.size());
  TextMatcher::Query query;
  uint32_t prepared = kNone;
  const StoreSchema::Split& split = schema.split("train");
  const uint64_t rows = split.end - split.begin, count = std::min(rows, kMostSamples);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t event = split.begin + i * rows / count;
    const uint32_t number = written.queries()[event], document = written.documents()[event];
    if (number == kNone) continue;
    if (number != prepared) matcher.prepare(written.query(number), query), prepared = number;
    for (size_t field = 0; field < texts.size(); ++field)
      texts[field] = written.text(document, field);
    matcher.match_raw(query, texts, row);
    for (size_t v = 0; v < row.size(); ++v)
      if (std::isfinite(row[v])) values[v].push_back(row[v]);
  }
  return values;
}

}  // namespace

void write_matches(IngestContext& context) {
  const DataOptions& data = context.options.data;
  StoreSchema& schema = context.schema;
  const std::vector<MatchOptions> options = matches_of(data);
  if (options.empty()) return;
  const Written written(context.folder, schema);
  const std::vector<std::string> pieces = read_pieces(context.folder.file("vocab.txt"));
  const Corpus corpus(written, schema, WordPieces(pieces));
  corpus.write(context.folder);
  for (const MatchOptions& option : options) {
    StoreSchema::Match match = declare(option, data, schema);
    corpus.measure(match);
    match.first_feature = schema.features.size();
    for (const std::string& name : match_names(schema, match))
      schema.features.push_back({.name = name, .of = "cross", .is_number = true, .is_match = true});
    schema.matches.push_back(std::move(match));
  }
  const MappedFile keys(context.folder.file(kWordKeysFile)),
      documents(context.folder.file(kWordDocumentsFile));
  const TextMatcher matcher(pieces, schema, {keys.as<uint64_t>(), documents.as<uint32_t>()});
  std::vector<std::vector<double>> values = sample(written, schema, matcher);
  size_t next = 0;
  for (const StoreSchema::Match& match : schema.matches)
    for (size_t i = 0; i < match_names(schema, match).size(); ++i) {
      StoreSchema::Feature& feature = schema.features[match.first_feature + i];
      feature.scale = learn_scale(values[next++]);
      context.summary["features"][feature.of + " " + feature.name] = {
          {"missing", 0},
          {"mean", feature.scale.mean},
          {"deviation", feature.scale.deviation},
          {"low", feature.scale.low},
          {"high", feature.scale.high}};
    }
}

}  // namespace lemur
