// A small simulated world, ingested, for tests that need a store with everything in it.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "lemur/base/config.h"
#include "lemur/data/ingest.h"
#include "lemur/data/sample_store_testing.h"
#include "lemur/synth/world.h"

namespace lemur {

/// Simulates, ingests and opens a world; options are those of its world.toml, of which `more` is
/// the end, made small.
struct World {
  explicit World(const WorldOptions& world, std::vector<std::string> overrides = {},
                 const std::string& more = "") {
    simulate(world, folder.path() / "world", {});
    std::ofstream(folder.path() / "world/world.toml", std::ios::app) << more;
    for (const char* small :
         {"model.encoder_width=16", "model.representation_width=16", "model.encoder_heads=2",
          "model.document_layers=2", "model.query_layers=1", "model.tokens=4",
          "model.token_width=16", "model.ranker_layers=1", "train.batch_size=64", "train.threads=1",
          "tokenizer.vocabulary=500"})
      overrides.push_back(small);
    options = load_options(folder.path() / "world/world.toml", overrides);
    IngestOptions how;
    how.data = options.data;
    how.tokenizer = options.tokenizer;
    how.base = folder.path() / "world";
    how.store = folder.path() / "store";
    ingest(how);
  }

  TemporaryFolder folder;
  Options options;
};

}  // namespace lemur
