#include "lemur/train/trainer.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>
#include <numeric>
#include <thread>

#include "lemur/base/error.h"
#include "lemur/base/folder_lock.h"
#include "lemur/base/hash.h"
#include "lemur/base/progress.h"
#include "lemur/data/batch_loader.h"
#include "lemur/data/run_folder.h"
#include "lemur/data/training_counts.h"
#include "lemur/eval/bank_deciles.h"
#include "lemur/eval/evaluator.h"
#include "lemur/kernels/device.h"
#include "lemur/model/bank_writer.h"
#include "lemur/model/corpus_start.h"
#include "lemur/model/pretrained.h"
#include "lemur/model/start_from.h"
#include "lemur/train/environment.h"
#include "lemur/train/quarantine.h"
#include "lemur/train/resume_options.h"
#include "lemur/train/run_log.h"
#include "lemur/train/train_step.h"
#include "lemur/train/training_state.h"

namespace lemur {
namespace {

constexpr int64_t kExpireEvery = 1000;  // steps

/// Value of the metric that the configuration names; nothing where it is undefined.
std::optional<double> metric_of(const Evaluation& evaluation, const std::string& name) {
  const Metrics& metrics = evaluation.metrics;
  if (name == "auto") return metrics.qauc ? metrics.qauc : metrics.auc;
  if (name == "auc") return metrics.auc;
  if (name == "qauc") return metrics.qauc;
  if (name == "uauc") return metrics.uauc;
  return name == "log_loss" ? metrics.log_loss : evaluation.alignment;
}

/// 1 where the metric is the better the higher it is, -1 for a loss.
double direction_of(const std::string& name) {
  return name == "log_loss" || name == "alignment" ? -1 : 1;
}

/// Seconds of a 512 x 512 x 512 product tell a real BLAS (milliseconds) from the reference one
/// (over 50).
bool blas_is_slow() {
  torch::Tensor a = torch::ones({512, 512}), b = torch::ones({512, 512});
  torch::mm(a, b);
  auto start = std::chrono::steady_clock::now();
  torch::mm(a, b);
  return std::chrono::steady_clock::now() - start > std::chrono::milliseconds(40);
}

bool has_split(const StoreSchema& schema, const std::string& name) {
  return std::any_of(schema.splits.begin(), schema.splits.end(), [&](const auto& split) {
    return split.name == name && split.end > split.begin;
  });
}

LoaderOptions loader_options(const TrainOptions& train, bool evaluates) {
  return {.split = "train",
          .batch_size = train.batch_size,
          .only_weighted = true,
          .order = train.order == "requests" ? LoaderOptions::Order::kRequests
                   : train.order == "window" ? LoaderOptions::Order::kWindow
                                             : LoaderOptions::Order::kTime,
          .negatives_per_request = train.negatives_per_request,
          .window = train.window,
          .epochs = train.most_epochs(evaluates),
          .seed = static_cast<uint64_t>(train.seed),
          .start = {},
          .threads = train.loader_threads};
}

/// One run, from its first or resumed step to its end.
class Trainer {
 public:
  Trainer(const Options& options, const SampleStore& store, const TrainerOptions& trainer_options)
      : options_(options),
        store_(store),
        how_(trainer_options),
        folder_(trainer_options.run),
        model_(prepare(), store.schema(), SpecialTokens::load(store.vocabulary_path())),
        optimizer_(
            start(),
            {.weight_decay = options.train.weight_decay,
             .average_decay = options.train.average_decay},
            [&](const std::string& name) { return learning_rate_of(options.train, name); },
            [&](const std::string& name) { return frozen_steps_of(options, name); }),
        evaluator_(store, model_, options.train.evaluate_batch_size),
        has_valid_(options.train.metric != "none" && has_split(store.schema(), "valid")) {}

  TrainingResult run();

 private:
  const Options& prepare();
  void know_pretrained();
  void start_from_data();
  torch::nn::Module& start();
  void restore();
  void step(TrainStep& step, const Batch& batch, int64_t total, double wait_ms, RunLog& log,
            Quarantine& quarantine);
  bool end_step(RunLog& log, int64_t total);
  bool is_over(int64_t total) const;
  void evaluate(RunLog& log);
  std::vector<BankDecile> measure_popularity();
  void swap_average() {
    optimizer_.swap_average();
    model_.tables.swap_averages();
  }
  void checkpoint();
  void fill_bank();
  void report(const std::string& line) const {
    if (how_.report) how_.report(line);
  }

  Options options_;  // with the sizes of pretrained encoders
  const SampleStore& store_;
  const TrainerOptions& how_;
  RunFolder folder_;
  std::optional<FolderLock> lock_;  // of the run's folder
  ModelState model_;
  DenseOptimizer optimizer_;
  Evaluator evaluator_;
  TrainingState state_;
  std::vector<PopularityGroup> popularity_;  // filled when it is first needed
  bool has_valid_;
  bool has_checkpoint_ = false;
  bool has_warned_ = false;  // of a collapse
};

const Options& Trainer::prepare() {
  device_named(options_.train.device);  // says at once where it is not there
  int64_t threads = options_.train.threads > 0
                        ? options_.train.threads
                        : static_cast<int64_t>(std::thread::hardware_concurrency());
  at::set_num_threads(static_cast<int>(threads));
  if (blas_is_slow())
    report(
        "warning: matrix products run at the speed of the reference BLAS; install "
        "libopenblas0-openmp (scripts/bootstrap.sh does)");
  lock_.emplace(folder_.path(), "train");
  if (folder_.exists() && !how_.resume)
    fail<InvalidArgument>(
        "train", "{} holds a run already; --resume goes on with it, another --run starts a new one",
        folder_.path().string());
  know_pretrained();
  if (folder_.exists()) {
    check_compatible(folder_.schema(), store_.schema());
    const std::vector<std::string> changed = changed_options(folder_.options(), options_);
    for (const std::string& line : changed) report("the run goes on with " + line);
    if (!changed.empty()) folder_.create(options_, store_);
  }
  return options_;
}

/// Completes the options by the sizes of pretrained encoders: the run's own, so that it goes on
/// without the folders that it started from, or those of the folders.
void Trainer::know_pretrained() {
  ModelOptions& model = options_.model;
  if (!folder_.exists()) return adopt_pretrained(options_, store_, how_.base);
  const ModelOptions run = folder_.options().model;
  model.document_bert = run.document_bert;
  model.query_bert = run.query_bert;
}

/// Loads pretrained weights, or another run's encoders, unless a checkpoint will replace them, and
/// notes a new run's options.
/// Returns the model.
torch::nn::Module& Trainer::start() {
  if (options_.train.metric == "alignment" && !model_.model->has_alignment())
    fail<InvalidArgument>(
        "train",
        "train.metric = 'alignment' needs model.alignment_weight above 0, content, "
        "and queries or a history");
  if (!folder_.newest(nullptr)) start_from_data();
  const bool pretrained =
      !options_.model.document_pretrained.empty() || !options_.model.query_pretrained.empty();
  if (pretrained && !folder_.newest(nullptr))
    for (const std::string& line : load_pretrained(options_.model, how_.base, *model_.model))
      report(line);
  if (!options_.train.start_from.empty() && !folder_.newest(nullptr)) {
    start_from_run(how_.base / options_.train.start_from, model_);
    report(fmt::format("encoders and bank start as those of {}", options_.train.start_from));
  }
  model_.move_to(options_.train.device);
  if (!folder_.exists()) folder_.create(options_, store_);
  return *model_.model;
}

/// Gives the untrained model what the store tells without any training.
void Trainer::start_from_data() {
  const auto began = std::chrono::steady_clock::now();
  const int64_t documents = ::lemur::start_from_data(store_, model_);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  if (documents > 0)
    report(fmt::format("encoders start from the words of {} documents ({:.1f} s)", documents,
                       seconds.count()));
}

void Trainer::restore() {
  std::vector<std::string> skipped;
  auto newest = folder_.newest(&skipped);
  for (const std::string& line : skipped) report("skipped: " + line);
  if (!newest) return;
  state_ = load_checkpoint(folder_.checkpoint(*newest), model_, optimizer_);
  if (state_.best && state_.best_step == state_.step)
    folder_.set_best(state_.step);  // a crash may have come between the two
  has_checkpoint_ = true;
  report(fmt::format("resumed from {}", folder_.checkpoint(*newest).filename().string()));
}

void Trainer::checkpoint() {
  save_checkpoint(folder_.checkpoint(state_.step), state_, model_, optimizer_);
  if (state_.best && state_.best_step == state_.step) folder_.set_best(state_.step);
  folder_.prune(options_.train.keep_checkpoints);
  has_checkpoint_ = true;
}

/// Encodes every document into the bank of the checkpoint that evaluation and serving read, once.
void Trainer::fill_bank() {
  const int64_t step = state_.best ? state_.best_step : state_.step;
  TrainingState state = load_checkpoint(folder_.checkpoint(step), model_, optimizer_);
  if (state.bank_filled) return;
  std::vector<uint32_t> documents(store_.schema().num_documents);
  std::iota(documents.begin(), documents.end(), 0);
  DocumentBank bank(store_, *model_.bank);
  std::optional<Progress> progress;
  if (how_.show_progress)
    progress.emplace(ProgressOptions{.title = "fill bank", .total = std::ssize(documents)});
  optimizer_.swap_average();
  encode_into_bank(store_, model_, documents, step, bank, [&](int64_t done) {
    if (progress) progress->update(done);
  });
  optimizer_.swap_average();
  if (progress) progress->finish();
  state.bank_filled = true;
  save_checkpoint(folder_.checkpoint(step), state, model_, optimizer_);
  report(fmt::format("bank of {} filled: {} documents",
                     folder_.checkpoint(step).filename().string(), documents.size()));
}

/// Measures the bank by the live weights, which write it; nothing without a bank.
std::vector<BankDecile> Trainer::measure_popularity() {
  if (!model_.bank) return {};
  if (popularity_.empty())
    popularity_ = group_by_popularity(store_.document_keys(), count_training(store_).documents,
                                      hash_combine(static_cast<uint64_t>(options_.train.seed), 4));
  return measure_deciles(store_, model_, popularity_, state_.step);
}

void Trainer::evaluate(RunLog& log) {
  const std::vector<BankDecile> deciles = measure_popularity();
  swap_average();
  Evaluation evaluation = evaluator_.run("valid");
  swap_average();
  log.write_evaluation(state_.step, evaluation,
                       evaluator_.document_seen("valid", evaluation)["document_seen"], deciles);
  const double direction = direction_of(options_.train.metric);
  const auto metric = metric_of(evaluation, options_.train.metric);
  const bool gained = metric && (!state_.best || direction * *metric > *state_.best);
  if (gained) {
    state_.best = direction * *metric;
    state_.best_step = state_.step;
    state_.evaluations_without_gain = 0;
  } else if (state_.step > options_.train.warmup_steps) {
    ++state_.evaluations_without_gain;
  }
  auto text = [](const std::optional<double>& metric) {
    return metric ? fmt::format("{:.5f}", *metric) : std::string("undefined");
  };
  log.note(fmt::format(
      "step {}: valid auc {} qauc {} uauc {} log loss {}{}{}{}", state_.step,
      text(evaluation.metrics.auc), text(evaluation.metrics.qauc), text(evaluation.metrics.uauc),
      text(evaluation.metrics.log_loss),
      evaluation.alignment ? fmt::format(" alignment {:.5f}", *evaluation.alignment) : "",
      evaluation.of_content
          ? fmt::format(" cosine alone qauc {}", text(evaluation.of_content->qauc))
          : "",
      gained ? " (best)" : ""));
}

bool Trainer::is_over(int64_t total) const {
  const int64_t patience = options_.train.most_without_gain();
  return state_.step >= total || (patience > 0 && state_.evaluations_without_gain >= patience);
}

/// Trains on one batch, which `wait_ms` milliseconds were waited for.
void Trainer::step(TrainStep& step, const Batch& batch, int64_t total, double wait_ms, RunLog& log,
                   Quarantine& quarantine) {
  const TrainOptions& train = options_.train;
  ++state_.step;
  const double rate = schedule_factor(train, state_.step, total);
  model_.model->pass_encoder_gradient(encoder_gradient_share(train, state_.step, total));
  const StepMetrics metrics = step.run(batch, state_.step, rate);
  for (size_t part = 0; part < kNumFlopParts; ++part) state_.flops[part] += metrics.flops[part];
  if (metrics.fault.empty()) {
    log.add(metrics, batch, state_.step, wait_ms);
  } else {
    report(fmt::format("step {} is skipped: {}", state_.step, metrics.fault));
    quarantine.add(store_, batch, state_.step, metrics);
  }
  state_.skipped = quarantine.num_skipped();
  state_.position = batch.next;
  state_.bank_filled = false;
  if (state_.step % kExpireEvery == 0 && batch.size() > 0) model_.tables.expire(batch.times.back());
  if (state_.step % train.log_every != 0) return;
  log.write_interval(state_.step, rate * train.learning_rate, state_.skipped, model_);
  if (!log.health() || has_warned_) return;
  const std::string warning = collapse_warning(*log.health(), model_.model->representation_width());
  has_warned_ = !warning.empty();
  if (has_warned_) report(fmt::format("step {}: {}", state_.step, warning));
}

/// Evaluates and writes checkpoints where they are due. Returns whether the run was interrupted.
bool Trainer::end_step(RunLog& log, int64_t total) {
  const TrainOptions& train = options_.train;
  const bool epoch_ends = state_.position.batch == 0;
  const bool in_turn =
      train.evaluate_every > 0 ? state_.step % train.evaluate_every == 0 : epoch_ends;
  const bool evaluates = has_valid_ && (in_turn || state_.step >= total || state_.evaluation_due);
  if (evaluates) {
    if (!has_checkpoint_) {  // an evaluation that fails costs no training
      state_.evaluation_due = true;
      checkpoint();
    }
    evaluate(log);
    state_.evaluation_due = false;
  }
  state_.finished = is_over(total);
  const bool interrupted = how_.stop != nullptr && *how_.stop && !state_.finished;
  if (evaluates || state_.finished || interrupted || state_.step % train.checkpoint_every == 0)
    checkpoint();
  return interrupted;
}

TrainingResult Trainer::run() {
  const TrainOptions& train = options_.train;
  if (how_.resume) restore();
  LoaderOptions loading = loader_options(train, has_valid_);
  loading.start = state_.position;
  BatchLoader loader(store_, loading);
  int64_t total = loader.batches_per_epoch() * loading.epochs;
  if (train.max_steps > 0) total = std::min(total, train.max_steps);
  state_.finished = state_.step > 0 && !state_.evaluation_due && is_over(total);
  if (!state_.finished && !note_environment(folder_.path(), state_.step))
    report("warning: environment.json was damaged; it begins anew");
  std::vector<std::string> history_names;
  for (const auto& history : store_.schema().histories) history_names.push_back(history.name);
  RunLog log({.run = folder_.path(),
              .history_names = history_names,
              .bank = model_.bank != nullptr,
              .all_negatives = options_.model.negatives == "all",
              .step = state_.step,
              .total_steps = total,
              .show_progress = how_.show_progress});
  Quarantine quarantine(folder_.path(), state_.step, state_.skipped, train.max_skipped_share);
  TrainStep trainer(store_, model_, optimizer_);
  model_.model->train();

  TrainingResult result;
  if (state_.evaluation_due) result.interrupted = end_step(log, total);
  while (!state_.finished && !result.interrupted) {
    const auto asked = std::chrono::steady_clock::now();
    auto batch = loader.next();
    if (!batch) break;
    const std::chrono::duration<double, std::milli> wait = std::chrono::steady_clock::now() - asked;
    step(trainer, *batch, total, wait.count(), log, quarantine);
    result.interrupted = end_step(log, total);
  }
  result.steps = state_.step;
  result.skipped = state_.skipped;
  if (state_.finished && options_.bank.fill && model_.bank) fill_bank();
  if (state_.best) {
    result.best_step = state_.best_step;
    result.best_metric = direction_of(train.metric) * *state_.best;
  }
  return result;
}

}  // namespace

double schedule_factor(const TrainOptions& options, int64_t step, int64_t total) {
  if (step <= options.warmup_steps)
    return static_cast<double>(step) / static_cast<double>(options.warmup_steps);
  if (options.schedule == "constant") return 1;
  double progress = static_cast<double>(step - options.warmup_steps) /
                    static_cast<double>(std::max<int64_t>(total - options.warmup_steps, 1));
  return 0.5 * (1 + std::cos(std::numbers::pi * std::min(progress, 1.0)));
}

double encoder_gradient_share(const TrainOptions& options, int64_t step, int64_t total) {
  const double before = options.encoder_gradient_after * static_cast<double>(total);
  return static_cast<double>(step) > before ? options.encoder_gradient : 0;
}

TrainingResult train(const Options& options, const SampleStore& store,
                     const TrainerOptions& trainer_options) {
  return Trainer(options, store, trainer_options).run();
}

}  // namespace lemur
