#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "lemur/base/error.h"
#include "lemur/base/progress.h"
#include "lemur/cli/commands.h"
#include "lemur/data/run_folder.h"
#include "lemur/eval/evaluator.h"
#include "lemur/eval/predictions.h"
#include "lemur/simd/flops.h"

namespace lemur {
namespace {

constexpr auto kRanker = static_cast<size_t>(FlopPart::kRanker);

struct EvaluateArguments {
  std::string run, store, split = "test", predictions, checkpoint = "best", device;
  bool json = false, int8 = false;
};

void write_predictions(const std::string& file, const SampleStore& store,
                       const StoreSchema::Split& split, const Evaluation& evaluation) {
  PredictionsFile predictions(file);
  for (uint64_t e = split.begin; e < split.end; ++e) {
    std::string request = store.request_name(e);
    predictions.add({.row = store.rows()[e],
                     .request = request,
                     .user = store.user_id(store.users()[e]),
                     .document = store.document_id(store.documents()[e]),
                     .label = static_cast<float>(store.labels(0)[e]),
                     .weight = store.weights()[e],
                     .score = evaluation.scores[e - split.begin]});
  }
  predictions.finish();
}

void print_table(const nlohmann::ordered_json& result) {
  for (const auto& [name, value] : result.items())
    if (value.is_null() || value.is_number() || value.is_string())
      fmt::print("{:<20} {}\n", name, value.is_string() ? value.get<std::string>() : value.dump());
  for (const auto& [slice, buckets] : result["slices"].items()) {
    fmt::print("\n{:<20} {:>10} {:>9} {:>9} {:>9}\n", slice, "rows", "auc", "qauc", "uauc");
    for (const auto& [bucket, metrics] : buckets.items()) {
      auto number = [&metrics = metrics](const char* key) {
        return metrics[key].is_null() ? std::string("-")
                                      : fmt::format("{:.5f}", metrics[key].get<double>());
      };
      fmt::print("{:<20} {:>10} {:>9} {:>9} {:>9}\n", bucket, metrics["rows"].get<int64_t>(),
                 number("auc"), number("qauc"), number("uauc"));
    }
  }
}

/// Writes the result into the run, for `lemur report`. A run that cannot be written to is evaluated
/// all the same.
void keep_result(const std::filesystem::path& run, const nlohmann::ordered_json& result) {
  std::string name = fmt::format("evaluation-{}-{}.json", result["split"].get<std::string>(),
                                 result["checkpoint"].get<std::string>());
  try {
    write_file_atomically(run / name, result.dump(1) + "\n");
  } catch (const DataError& error) {
    fmt::print(stderr, "not kept for lemur report: {}\n", error.what());
  }
}

void run_evaluate(const EvaluateArguments& arguments) {
  RunFolder folder(arguments.run);
  Options options = folder.options();
  SampleStore store(arguments.store);
  check_compatible(folder.schema(), store.schema());
  const auto& split = store.schema().split(arguments.split);
  std::vector<std::string> skipped;
  auto checkpoint = folder.choose(arguments.checkpoint, &skipped);
  for (const std::string& line : skipped) fmt::print(stderr, "skipped: {}\n", line);
  at::set_num_threads(options.train.threads > 0
                          ? static_cast<int>(options.train.threads)
                          : static_cast<int>(std::thread::hardware_concurrency()));
  ModelState state = load_model(folder, checkpoint);
  const std::string device = arguments.device.empty() ? options.train.device : arguments.device;
  if (arguments.int8 && device != "cpu")
    fail<InvalidArgument>("evaluate", "--int8 is for the cpu; the device is '{}'", device);
  state.move_to(device);
  if (arguments.int8) state.use_int8();

  Evaluator evaluator(store, state, options.train.evaluate_batch_size);
  Progress progress({.title = "evaluate", .total = static_cast<int64_t>(split.end - split.begin)});
  const int64_t before = counted_flops()[kRanker];
  Evaluation evaluation =
      evaluator.run(arguments.split, [&](int64_t done, int64_t) { progress.update(done); });
  progress.finish();
  if (!arguments.predictions.empty())
    write_predictions(arguments.predictions, store, split, evaluation);

  nlohmann::ordered_json result = {{"split", arguments.split}};
  nlohmann::ordered_json overall = evaluation.metrics.to_json();
  for (const auto& [name, value] : overall.items()) result[name] = value;
  result["checkpoint"] = checkpoint.filename().string();
  result["encoded_documents"] = evaluation.encoded_documents;
  const int64_t ranker_flops = counted_flops()[kRanker] - before;
  result["ranker_flops_per_sample"] = nullptr;
  if (ranker_flops > 0 && !arguments.int8)
    result["ranker_flops_per_sample"] =
        static_cast<double>(ranker_flops) / static_cast<double>(split.end - split.begin);
  if (evaluation.cold_rows) result["cold_rows"] = *evaluation.cold_rows;
  const auto& summary = store.manifest().at("summary");
  if (summary.contains("query_log"))
    result["query_change_rate"] = summary["query_log"].at("change_rate");
  result["calibration_bins"] = evaluation.metrics.calibration_to_json();
  result["slices"] = evaluator.slices(arguments.split, evaluation);
  if (!arguments.int8) keep_result(folder.path(), result);
  if (arguments.json) {
    fmt::print("{}\n", result.dump());
  } else {
    print_table(result);
  }
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto arguments = std::make_shared<EvaluateArguments>();
  auto* command = app.add_subcommand("evaluate", "Measure a run's model on a split");
  command->add_option("--run", arguments->run, "Folder of the run")->required();
  command->add_option("--store", arguments->store, "Sample store")->required();
  command->add_option("--split", arguments->split, "Split to score")->capture_default_str();
  command
      ->add_option("--checkpoint", arguments->checkpoint,
                   "best, newest, or a name such as step-000100")
      ->capture_default_str();
  command->add_option("--device", arguments->device,
                      "cpu or cuda; default: the run's train.device");
  command->add_flag("--json", arguments->json, "Print one JSON object");
  command->add_flag("--int8", arguments->int8,
                    "Linear layers of ranker and decoders in 8 bits, as lemur serve --int8");
  command->add_option("--predictions", arguments->predictions,
                      "Write row,request,user,document,label,weight,score to this CSV");
  command->footer("Example: lemur evaluate --run run --store store --split test --json");
  command->callback([arguments] { run_evaluate(*arguments); });
}

}  // namespace lemur
