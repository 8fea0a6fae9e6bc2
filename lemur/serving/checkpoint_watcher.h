// Publishes every new checkpoint of a run.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "lemur/data/run_folder.h"
#include "lemur/serving/predictor.h"
#include "lemur/serving/snapshot.h"

namespace lemur {

struct WatcherOptions {
  std::string checkpoint = "best";  ///< best, newest, or the name of one that never changes
  double poll_seconds = 1;          ///< between looks into the folder
  SnapshotOptions snapshot;
};

/// Looks into the run's folder on a thread of its own, at low priority; loads, verifies and warms
/// what is new beside the model that answers, then publishes it. A checkpoint that fails is
/// reported and left alone until another one is there.
class CheckpointWatcher {
 public:
  /// Loads the first model and publishes it. Throws DataError where the run has none that loads.
  CheckpointWatcher(RunFolder run, Predictor& predictor, WatcherOptions options);
  ~CheckpointWatcher();

 private:
  void run();
  void load(const std::filesystem::path& checkpoint);
  std::filesystem::path candidate() const;

  const RunFolder run_;
  Predictor& predictor_;
  const WatcherOptions options_;
  std::filesystem::path seen_;  // newest checkpoint that was tried
  std::mutex mutex_;            // guards is_closing_
  std::condition_variable wake_;
  bool is_closing_ = false;
  std::thread thread_;
};

}  // namespace lemur
