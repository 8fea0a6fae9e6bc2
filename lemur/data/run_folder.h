// The folder of a run: configuration, schema, checkpoints step-000123/, which one is the best.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lemur/base/options.h"
#include "lemur/data/sample_store.h"
#include "lemur/text/special_tokens.h"

namespace lemur {

/// Version of a checkpoint's files.
inline constexpr int kCheckpointVersion = 1;

/// Returns the manifest of a checkpoint, as open_folder. Throws DataError too where the folder is
/// none, or one of another version.
nlohmann::json open_checkpoint(const std::filesystem::path& path, bool verify = false);

/// Files: run.json (format and version), config.toml (every option), schema.json, vocab.txt,
/// step-<number>/, best (name of a checkpoint), metrics.jsonl, quarantine.jsonl, environment.json,
/// evaluation-*.json, lock, events.out.tfevents.*.
class RunFolder {
 public:
  static constexpr int kVersion = 3;

  /// Names the folder; touches nothing.
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }

  /// Returns whether a run was ever started there.
  bool exists() const;

  /// Starts a run: writes configuration, schema and vocabulary.
  void create(const Options& options, const SampleStore& store) const;

  /// Throws DataError when the folder holds no run, or one of another version, telling both.
  void check() const;

  /// What `create` wrote. Throw DataError when the folder holds no run, or one of another version.
  Options options() const;
  StoreSchema schema() const;
  SpecialTokens special_tokens() const;

  std::filesystem::path checkpoint(int64_t step) const;

  /// Returns the steps of complete checkpoints, ascending. Whatever is incomplete or damaged is
  /// skipped and named in `skipped`, one line each; with `verify` checksums are checked.
  std::vector<int64_t> checkpoints(std::vector<std::string>* skipped = nullptr,
                                   bool verify = false) const;

  /// Returns the step of the newest checkpoint whose checksums hold, naming each skipped one.
  std::optional<int64_t> newest(std::vector<std::string>* skipped) const;

  /// The best checkpoint so far, as noted by set_best.
  std::optional<int64_t> best() const;
  void set_best(int64_t step) const;

  /// Returns the folder of a checkpoint: "best" (the newest where none is), "newest", or that of
  /// the name given, which need not exist. Throws DataError where the run has none; names each
  /// skipped one.
  std::filesystem::path choose(const std::string& choice, std::vector<std::string>* skipped) const;

  /// Removes all but the newest `keep` checkpoints and the best, and what crashed writers of
  /// checkpoints left behind. For the one who holds the run's lock.
  void prune(int64_t keep) const;

 private:
  std::filesystem::path path_;
};

}  // namespace lemur
