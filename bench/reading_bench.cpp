// Rates of everything before the model: simulation, ingest, image decoder, tokenizer, batch loader.
//   build/reading_bench [flags of Google Benchmark]
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "lemur/base/config.h"
#include "lemur/base/testing.h"
#include "lemur/data/batch_loader.h"
#include "lemur/data/image_decoder.h"
#include "lemur/data/image_testing.h"
#include "lemur/data/ingest.h"
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

void simulation(benchmark::State& state) {
  WorldOptions options;
  options.events = 1000000;
  TemporaryFolder folder;
  for (auto _ : state) simulate(options, folder.path(), {});
  state.SetItemsProcessed(state.iterations() * options.events);
}
BENCHMARK(simulation)->Unit(benchmark::kMillisecond)->UseRealTime();

/// With `threads` threads; items are events.
void ingestion(benchmark::State& state) {
  TemporaryFolder folder;
  IngestOptions how = BusyWorld::get().how;
  how.store = folder.path() / "store";
  how.threads = state.range(0);
  for (auto _ : state) ingest(how);
  state.SetItemsProcessed(state.iterations() * BusyWorld::world().events);
}
BENCHMARK(ingestion)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// One thread over a JPEG of the size of a poster, to 64 x 64 pixels; items are images.
void image_decoding(benchmark::State& state) {
  constexpr int64_t kSide = 64;
  const Bytes jpeg = encode_jpeg(busy_image(300, 450));
  Bytes rgb(3 * kSide * kSide);
  for (auto _ : state) benchmark::DoNotOptimize(decode_image(jpeg, kSide, 25, rgb));
  state.SetItemsProcessed(state.iterations());
  state.counters["file_bytes"] = static_cast<double>(jpeg.size());
}
BENCHMARK(image_decoding)->Unit(benchmark::kMillisecond);

/// One thread over the world's titles with the vocabulary trained on them; items are word pieces.
void tokenizer(benchmark::State& state) {
  const auto vocabulary = SampleStore(BusyWorld::get().how.store).vocabulary_path();
  const Tokenizer tokenizer = Tokenizer::load(vocabulary, /*lower_case=*/true);
  WorldOptions options = BusyWorld::world();
  options.events = 0;
  std::vector<std::string> titles;
  WorldSink sink;
  sink.document = [&](const DocumentRow& row) { titles.emplace_back(row.title); };
  sink.event = [](const EventRow&) {};
  sink.query = [](const QueryRow&) {};
  simulate(options, sink);
  std::vector<int32_t> ids;
  int64_t tokens = 0;
  for (auto _ : state)
    for (const std::string& title : titles) {
      ids.clear();
      tokenizer.encode(title, 1000, ids);
      tokens += static_cast<int64_t>(ids.size());
    }
  state.SetItemsProcessed(tokens);
}
BENCHMARK(tokenizer)->Unit(benchmark::kMillisecond);

/// With `threads` workers, batches of 512 in time order; items are impressions.
void loader(benchmark::State& state) {
  SampleStore store(BusyWorld::get().how.store);
  LoaderOptions options;
  options.batch_size = 512;
  options.threads = state.range(0);
  int64_t samples = 0;
  uint64_t actions = 0;
  for (auto _ : state) {
    BatchLoader loader(store, options);
    while (auto batch = loader.next()) {
      samples += static_cast<int64_t>(batch->size());
      actions += batch->histories[0].offsets.back();
    }
  }
  state.SetItemsProcessed(samples);
  state.counters["mean_history"] = static_cast<double>(actions) / static_cast<double>(samples);
}
BENCHMARK(loader)->ArgName("threads")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace lemur

BENCHMARK_MAIN();
