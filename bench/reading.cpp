// Everything before the model: simulation, ingest, image decoder, tokenizer, text match, batch
// loader.
#include <string>
#include <vector>

#include "bench/benches.h"
#include "lemur/base/config.h"
#include "lemur/base/testing.h"
#include "lemur/data/batch_loader.h"
#include "lemur/data/image_decoder.h"
#include "lemur/data/image_testing.h"
#include "lemur/data/ingest.h"
#include "lemur/features/text_match.h"
#include "lemur/synth/world.h"
#include "lemur/text/tokenizer.h"

namespace lemur {
namespace {

/// A world whose users have 3000 impressions each, all of them in a history of at most 1000.
struct BusyWorld {
  BusyWorld() {
    simulate(world(), folder.path(), {});
    how.base = folder.path();
    how.store = folder.path() / "store";
    Options options = load_options(folder.path() / "world.toml", {});
    how.data = options.data;
    how.tokenizer = options.tokenizer;
    how.data.history.resize(1);
    how.data.history[0].where.clear();
    how.data.history[0].length = 1000;
    ingest(how);
  }

  static WorldOptions world() {
    WorldOptions options;
    options.users = 200;
    options.events = 600000;
    return options;
  }

  static const BusyWorld& get() {
    static BusyWorld world;
    return world;
  }

  TemporaryFolder folder;
  IngestOptions how;
};

/// Returns the titles of a world.
std::vector<std::string> titles_of(WorldOptions options) {
  options.events = 0;
  std::vector<std::string> titles;
  WorldSink sink;
  sink.document = [&](const DocumentRow& row) { titles.emplace_back(row.title); };
  sink.event = [](const EventRow&) {};
  sink.query = [](const QueryRow&) {};
  simulate(options, sink);
  return titles;
}

void simulation(Report& report) {
  WorldOptions options;
  options.events = 1000000;
  TemporaryFolder folder;
  report.alternate("ingest", "simulate events",
                   {{.name = "lemur synth",
                     .call = [&] { simulate(options, folder.path(), {}); },
                     .items = static_cast<double>(options.events)}});
}

void ingestion(Report& report) {
  TemporaryFolder folder;
  auto with = [&](int64_t threads) {
    return Variant{.name = fmt::format("{} threads", threads),
                   .call =
                       [&folder, threads] {
                         IngestOptions how = BusyWorld::get().how;
                         how.store = folder.path() / "store";
                         how.threads = threads;
                         ingest(how);
                       },
                   .items = static_cast<double>(BusyWorld::world().events)};
  };
  report.alternate("ingest", "events with texts, queries and histories into a store",
                   {with(1), with(report.options().threads)});
}

void images(Report& report) {
  constexpr int64_t kSide = 64, kImages = 100;
  const Bytes jpeg = encode_jpeg(busy_image(300, 450));
  Bytes rgb(3 * kSide * kSide);
  report.alternate(
      "ingest",
      fmt::format("JPEG of 300 x 450 pixels to {0} x {0}, {1} times, one thread", kSide, kImages),
      {{.name = "decode_image",
        .call =
            [&] {
              for (int64_t i = 0; i < kImages; ++i) decode_image(jpeg, kSide, 25, rgb);
            },
        .items = kImages}});
}

void tokenizer(Report& report) {
  const auto vocabulary = SampleStore(BusyWorld::get().how.store).vocabulary_path();
  const Tokenizer tokenizer = Tokenizer::load(vocabulary, /*lower_case=*/true);
  const std::vector<std::string> titles = titles_of(BusyWorld::world());
  std::vector<int32_t> ids;
  auto encode_all = [&] {
    int64_t tokens = 0;
    for (const std::string& title : titles) {
      ids.clear();
      tokenizer.encode(title, 1000, ids);
      tokens += static_cast<int64_t>(ids.size());
    }
    return tokens;
  };
  report.alternate("ingest", fmt::format("word pieces of {} titles, one thread", titles.size()),
                   {{.name = "Tokenizer",
                     .call = [&] { encode_all(); },
                     .items = static_cast<double>(encode_all())}});
}

/// Texts of all fields against a query that is prepared anew for each `group` of documents.
void match(Report& report) {
  const SampleStore store(BusyWorld::get().how.store);
  const TextMatcher& matcher = *store.matcher();
  const StoreSchema& schema = store.schema();
  std::vector<std::span<const int32_t>> texts(schema.text.size());
  std::vector<float> values(matcher.num_values());
  TextMatcher::Query query;
  const auto by = [&](uint64_t group) {
    return Variant{.name = fmt::format("TextMatcher, {} documents a query", group),
                   .call =
                       [&, group] {
                         for (uint64_t event = 0; event < schema.num_events; ++event) {
                           if (event % group == 0)
                             matcher.prepare(
                                 store.query_tokens()[event / group % schema.num_queries], query);
                           for (size_t field = 0; field < texts.size(); ++field)
                             texts[field] = store.document_tokens(store.documents()[event], field);
                           matcher.match(query, texts, values);
                         }
                       },
                   .items = static_cast<double>(schema.num_events)};
  };
  report.alternate("ingest",
                   fmt::format("{} numbers of text match, one thread", matcher.num_values()),
                   {by(500), by(8)});
}

}  // namespace

void bench_ingest(Report& report) {
  simulation(report);
  ingestion(report);
  images(report);
  tokenizer(report);
  match(report);
}

void bench_loader(Report& report) {
  const SampleStore store(BusyWorld::get().how.store);
  uint64_t samples = 0, actions = 0;
  auto with = [&](int64_t threads) {
    return Variant{.name = fmt::format("{} threads", threads),
                   .call =
                       [&, threads] {
                         samples = actions = 0;
                         BatchLoader loader(store, {.batch_size = 512, .threads = threads});
                         while (auto batch = loader.next()) {
                           samples += batch->size();
                           actions += batch->histories[0].offsets.back();
                         }
                       },
                   .items = static_cast<double>(store.schema().split("train").end)};
  };
  report.alternate("loader", "batches of 512 in time order, histories of at most 1000",
                   {with(1), with(report.options().threads)});
  report.figures("loader", "what was read",
                 {{"impressions", static_cast<double>(samples)},
                  {"mean history", static_cast<double>(actions) / static_cast<double>(samples)}});
}

}  // namespace lemur
