#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>
#include <memory>
#include <thread>

#include "lemur/base/error.h"
#include "lemur/cli/commands.h"
#include "lemur/cli/terminal.h"
#include "lemur/http/http_front.h"
#include "lemur/serving/checkpoint_watcher.h"
#include "lemur/serving/predictor.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

struct ServeArguments {
  std::string run, store, name = "lemur";
  HttpFrontOptions front;
  WatcherOptions watcher;
  PredictorOptions predictor;
  int threads = 0, drain_seconds = 10, check_rounds = 20;
  bool check = false, without_feedback = false;
};

/// Adds what happened to histories and counters. Events of the log may name actions that another
/// store had.
bool learn(Predictor& predictor, const FeedbackEvent& event) {
  const bool is_learned = predictor.learn(event);
  if (!is_learned)
    spdlog::warn("the store has no action '{}': event '{}' joins no history and no counter",
                 event.action, event.id);
  return is_learned;
}

double quantile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

/// Ranks logged requests one at a time and prints what they took.
void check(Predictor& predictor, const Catalogue& catalogue, int rounds) {
  const std::vector<RankRequest> requests = logged_requests(catalogue, 64);
  if (requests.empty()) fail<DataError>("serve", "the store holds no event to make a request of");
  std::vector<double> times;
  size_t documents = 0;
  for (int round = 0; round < rounds; ++round)
    for (const RankRequest& request : requests) {
      std::promise<RankResult> promise;
      const auto begin = std::chrono::steady_clock::now();
      predictor.rank(request, [&](RankResult result) { promise.set_value(std::move(result)); });
      const RankResult result = promise.get_future().get();
      times.push_back(
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
              .count());
      documents += request.documents.size();
      if (const auto* failure = std::get_if<RankFailure>(&result))
        fail<DataError>("serve", "a logged request failed: {}", failure->message);
    }
  std::sort(times.begin(), times.end());
  const BackendStatus status = predictor.status();
  fmt::print("{} answers {} logged requests of {:.1f} documents: p50 {:.3f} ms, p99 {:.3f} ms\n",
             status.model_version, times.size(),
             static_cast<double>(documents) / static_cast<double>(times.size()),
             quantile(times, 0.5), quantile(times, 0.99));
}

/// Says what the model was trained with and requests cannot give.
void warn_of_missing(const RankSchema& schema) {
  for (const RankSchema::Missing& missing : schema.missing_at_serving)
    spdlog::warn("{} '{}' asks for the column '{}', which no request gives: it is missing here",
                 missing.kind, missing.name, missing.column);
}

/// Puts what feedback added before back into histories and counters.
int64_t replay(Predictor& predictor, const fs::path& folder) {
  int64_t events = 0;
  FeedbackReader reader(folder);
  while (const auto event = reader.next()) events += learn(predictor, *event);
  return events;
}

void run_serve(ServeArguments& arguments) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("serve"));
  RunFolder run(arguments.run);
  const Options options = run.options();
  SampleStore store(arguments.store);
  check_compatible(run.schema(), store.schema());
  at::set_num_threads(arguments.threads > 0
                          ? arguments.threads
                          : static_cast<int>(std::thread::hardware_concurrency()));
  const Catalogue catalogue(store, options);
  ServingMetrics metrics;
  Predictor predictor(catalogue, arguments.predictor, metrics);
  warn_of_missing(predictor.schema());
  CheckpointWatcher watcher(run, predictor, arguments.watcher);
  if (arguments.check) return check(predictor, catalogue, arguments.check_rounds);

  catch_interrupts();
  HttpFrontOptions& front_options = arguments.front;
  if (arguments.without_feedback) {
    front_options.feedback_folder.clear();
  } else {
    if (front_options.feedback_folder.empty())
      front_options.feedback_folder = run.path() / "feedback";
    if (fs::exists(front_options.feedback_folder)) {
      const int64_t events = replay(predictor, front_options.feedback_folder);
      if (events > 0)
        spdlog::info("histories and counters have {} events of earlier feedback", events);
    }
  }
  front_options.on_feedback = [&](const FeedbackEvent& event) { learn(predictor, event); };
  HttpFront front(predictor, metrics, front_options);
  const LogRecovery recovery = front.feedback_recovery();
  if (recovery.cut_bytes > 0)
    spdlog::warn("the event log ended in {} torn bytes; they were set apart", recovery.cut_bytes);
  fmt::print("serving {} on port {}\n", predictor.status().model_version, front.port());
  std::fflush(stdout);
  while (!interrupted) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  spdlog::info("draining");
  front.drain(std::chrono::seconds(arguments.drain_seconds));
}

}  // namespace

void add_serve(CLI::App& app) {
  auto arguments = std::make_shared<ServeArguments>();
  ServeArguments& a = *arguments;
  auto* command = app.add_subcommand("serve", "Answer ranking requests over HTTP");
  command->add_option("--run", a.run, "Folder of the run")->required();
  command->add_option("--store", a.store, "Sample store")->required();
  command->add_option("--listen", a.front.server.address, "Address and port; port 0: a free one")
      ->capture_default_str();
  command
      ->add_option("--checkpoint", a.watcher.checkpoint,
                   "best or newest, which follow the run; or a name such as step-000100")
      ->capture_default_str();
  command->add_option("--name", a.predictor.model_name, "Name of the model in the API")
      ->capture_default_str();
  command->add_flag("--int8", a.watcher.snapshot.int8, "Dense layers of the ranker in 8 bits");
  command->add_option("--threads", a.threads, "Cores that score; 0: all")->capture_default_str();
  command
      ->add_option("--token-file", a.front.token_file,
                   "Ask clients for this bearer token; required beyond loopback")
      ->check(CLI::ExistingFile);
  command->add_option("--host-name", a.front.server.host_names,
                      "Further names that requests without a token may be sent to");
  command->add_option("--feedback", a.front.feedback_folder,
                      "Folder of the event log; default: feedback in the run's folder");
  command->add_flag("--without-feedback", a.without_feedback, "Keep no event log");
  command->add_option("--access-log", a.front.access_log, "File; -: stderr; empty: none")
      ->capture_default_str();
  command->add_option("--http-threads", a.front.server.threads, "Threads that read and write")
      ->capture_default_str();
  command->add_option("--max-documents", a.front.limits.max_documents, "Candidates of one request")
      ->capture_default_str();
  command->add_option("--max-body-bytes", a.front.server.max_body_bytes, "Of one request")
      ->capture_default_str();
  command
      ->add_option("--deadline-ms", a.front.limits.default_deadline_ms,
                   "Of requests that name none")
      ->capture_default_str();
  command->add_option("--max-queue", a.predictor.max_queue, "Requests that may wait")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--batch-wait-ms", a.predictor.batch_wait_ms,
                   "How long a batch waits for further requests; 0: it takes those that wait")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--max-encoded", a.predictor.max_encoded,
                   "Documents of one request that may be encoded for it")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--poll-seconds", a.watcher.poll_seconds, "Between looks for a new checkpoint")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--drain-seconds", a.drain_seconds, "Patience at the end")
      ->capture_default_str();
  command->add_flag("--check", a.check, "Load, answer logged requests, print the latency, exit");
  command->footer("Example: lemur serve --run run --store store --listen 127.0.0.1:8080");
  command->callback([arguments] { run_serve(*arguments); });
}

}  // namespace lemur
