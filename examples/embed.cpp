// Ranks documents inside a program, without a server.
//   example_embed RUN STORE USER QUERY DOCUMENT...
// USER and QUERY may be empty. Prints rank, score and document, best first.
#include <fmt/format.h>

#include <chrono>
#include <future>

#include "lemur/base/error.h"
#include "lemur/data/run_folder.h"
#include "lemur/serving/predictor.h"

namespace {

lemur::RankRequest request_of(char** arguments, int count) {
  lemur::RankRequest request{.user = arguments[0], .query = arguments[1]};
  request.time_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count();
  for (int i = 2; i < count; ++i) request.documents.push_back({.document = arguments[i]});
  return request;
}

/// Asks and waits. A program with work of its own gives rank() a callback that goes on instead.
lemur::RankAnswer answer_to(lemur::Predictor& predictor, lemur::RankRequest request) {
  std::promise<lemur::RankResult> promise;
  predictor.rank(std::move(request),
                 [&](lemur::RankResult result) { promise.set_value(std::move(result)); });
  lemur::RankResult result = promise.get_future().get();
  if (const auto* failure = std::get_if<lemur::RankFailure>(&result))
    throw lemur::DataError(failure->message);
  return std::get<lemur::RankAnswer>(std::move(result));
}

void rank(char** arguments, int count) {
  const lemur::RunFolder run(arguments[0]);
  const lemur::SampleStore store(arguments[1]);
  lemur::check_compatible(run.schema(), store.schema());
  const auto best = run.best();
  if (!best) throw lemur::DataError("the run has no best checkpoint");

  const lemur::Catalogue catalogue(store, run.options());
  lemur::ServingObserver observer;  // counts nothing
  lemur::Predictor predictor(catalogue, {}, observer);
  predictor.publish(lemur::load_snapshot(run, run.checkpoint(*best), {}));

  lemur::RankRequest request = request_of(arguments + 2, count - 2);
  const auto documents = request.documents;
  const lemur::RankAnswer answer = answer_to(predictor, std::move(request));
  for (size_t i = 0; i < answer.order.size(); ++i) {
    const uint32_t index = answer.order[i];
    fmt::print("{:3}  {:.6f}  {}\n", i + 1, answer.documents[index].scores[0],
               documents[index].document);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    fmt::print(stderr, "usage: example_embed RUN STORE USER QUERY DOCUMENT...\n");
    return 2;
  }
  try {
    rank(argv + 1, argc - 1);
  } catch (const std::exception& error) {
    fmt::print(stderr, "example_embed: {}\n", error.what());
    return 1;
  }
  return 0;
}
