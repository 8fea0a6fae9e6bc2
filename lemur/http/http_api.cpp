#include "lemur/http/http_api.h"

#include <algorithm>
#include <chrono>

#include "lemur/http/feedback_json.h"
#include "lemur/http/infer_json.h"
#include "lemur/http/json_text.h"
#include "lemur/http/page_routes.h"

namespace lemur {
namespace {

using Clock = std::chrono::steady_clock;

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

RequestError error_of(const RankFailure& failure) {
  switch (failure.kind) {
    case RankFailure::Kind::kOverloaded:
      return {429, "overloaded", failure.message};
    case RankFailure::Kind::kDeadline:
      return {504, "deadline", failure.message};
    case RankFailure::Kind::kInvalid:
      return {422, "invalid", failure.message, failure.field};
    case RankFailure::Kind::kUnavailable:
      return {503, "not_ready", failure.message};
    default:
      return {500, "internal", failure.message, failure.field};
  }
}

/// Splits a path into its decoded segments. Throws RequestError 400 for what is not UTF-8 or no
/// percent-encoding.
std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty() && path.front() == '/') {
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    std::string segment;
    if (!percent_decode(path.substr(0, end), segment) || !is_utf8(segment))
      throw RequestError(400, "malformed", "the path is no percent-encoded UTF-8");
    segments.push_back(std::move(segment));
    path.remove_prefix(end);
  }
  if (!path.empty()) throw RequestError(404, "not_found", "there is nothing here");
  return segments;
}

bool is_json(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return type == "application/json";
}

std::string texts_json(const std::vector<std::pair<std::string, std::string>>& texts) {
  std::string out = "{";
  for (const auto& [name, text] : texts) {
    if (out.size() > 1) out += ',';
    append_json(out, name);
    out += ':';
    append_json(out, text);
  }
  return out + '}';
}

std::string document_json(const DocumentFacts& facts) {
  std::string out = R"({"id":)";
  append_json(out, facts.id);
  out += R"(,"texts":)" + texts_json(facts.texts) + R"(,"features":)" + texts_json(facts.features) +
         R"(,"has_image":)" + (facts.has_image ? "true" : "false") + R"(,"bank":)";
  if (facts.in_bank) {
    out += R"({"age_steps":)";
    append_json(out, facts.bank_age_steps);
    out += R"(,"writes":)";
    append_json(out, facts.num_writes);
    out += '}';
  } else {
    out += "null";
  }
  return out + "}\n";
}

}  // namespace

/// A request on its way, copied into what answers it later.
struct HttpApi::Call {
  HttpApi* api;
  HttpRequest request;
  std::vector<std::string> segments;
  std::string_view route = "none";
  Responder responder;
  std::shared_ptr<void> pass;  // held: the API waits for this call
  Clock::time_point begin = Clock::now();

  void answer(std::string body, int status = 200) const {
    HttpAnswer whole;
    whole.status = status;
    whole.body = std::move(body);
    send(std::move(whole));
  }
  void send(HttpAnswer whole) const {
    whole.route = route;
    responder(std::move(whole));
  }
  void refuse(const RequestError& error, int retry_after_seconds = 1) const {
    api->metrics_.request_failed(error.code);
    HttpAnswer whole =
        error_answer(error.status, error.code, error.what(), request.id, error.field);
    if (error.status == 429 || error.status == 503)
      whole.headers.emplace_back("Retry-After", std::to_string(retry_after_seconds));
    send(std::move(whole));
  }
  void refuse(const RankFailure& failure) const {
    refuse(error_of(failure), failure.retry_after_seconds);
  }
  /// Returns the body, which nobody needs a second time.
  std::string take_body() { return std::move(request.body); }
  double milliseconds() const {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  }
  /// Runs what makes an answer; what it throws is answered too.
  template <typename Action>
  void guard(Action&& action) const {
    try {
      action();
    } catch (const RequestError& error) {
      refuse(error);
    } catch (const std::exception&) {
      refuse(RequestError(500, "internal", "the request could not be answered"));
    }
  }
};

struct HttpApi::Route {
  std::string_view method;
  std::vector<std::string_view> segments;  // "*": anything but nothing
  std::string_view name;
  void (HttpApi::*handler)(Call&);

  bool matches(const std::vector<std::string>& path) const {
    return std::equal(segments.begin(), segments.end(), path.begin(), path.end(),
                      [](std::string_view own, const std::string& given) {
                        return own == "*" ? !given.empty() : own == given;
                      });
  }
};

const std::vector<HttpApi::Route>& HttpApi::routes() {
  static const std::vector<Route> routes = {
      {"POST", {"v1", "rank"}, "rank", &HttpApi::rank},
      {"POST", {"v1", "embed"}, "embed", &HttpApi::embed},
      {"POST", {"v1", "feedback"}, "feedback", &HttpApi::feedback},
      {"GET", {"v1", "documents", "*"}, "document", &HttpApi::document},
      {"GET", {"v1", "documents", "*", "image"}, "image", &HttpApi::image},
      {"GET", {"v1", "users", "*", "history"}, "history", &HttpApi::history},
      {"GET", {"v1", "examples"}, "examples", &HttpApi::examples},
      {"GET", {"v1", "status"}, "status", &HttpApi::status},
      {"GET", {"v2"}, "server_metadata", &HttpApi::server_metadata},
      {"GET", {"v2", "health", "live"}, "live", &HttpApi::live},
      {"GET", {"v2", "health", "ready"}, "ready", &HttpApi::ready},
      {"GET", {"v2", "models", "*"}, "model_metadata", &HttpApi::model_metadata},
      {"GET", {"v2", "models", "*", "ready"}, "model_ready", &HttpApi::model_ready},
      {"POST", {"v2", "models", "*", "infer"}, "infer", &HttpApi::infer},
      {"GET", {"metrics"}, "metrics", &HttpApi::metrics},
      {"GET", {"openapi.json"}, "openapi", &HttpApi::openapi},
      {"GET", {""}, "page", &HttpApi::page},
      {"GET", {"favicon.ico"}, "favicon", &HttpApi::favicon},
  };
  return routes;
}

HttpApi::HttpApi(RankBackend& backend, FeedbackLog* feedback, ServingMetrics& metrics,
                 RequestLimits limits)
    : backend_(backend), feedback_(feedback), metrics_(metrics), limits_(limits) {}

HttpApi::~HttpApi() {
  std::unique_lock lock(mutex_);
  no_calls_.wait(lock, [this] { return num_calls_ == 0; });
}

std::shared_ptr<void> HttpApi::pass() {
  std::lock_guard lock(mutex_);
  ++num_calls_;
  return {nullptr, [this](void*) {
            std::lock_guard returned(mutex_);
            if (--num_calls_ == 0) no_calls_.notify_all();
          }};
}

void HttpApi::handle(HttpRequest request, const Responder& responder) {
  Call call{this, std::move(request), {}, "none", responder, pass()};
  call.guard([&] { dispatch(call); });
}

void HttpApi::dispatch(Call& call) {
  call.segments = split_path(call.request.path);
  std::string allowed;
  // What answers GET answers HEAD: the server sends such an answer without its body.
  std::string_view method = call.request.method;
  if (method == "HEAD") method = "GET";
  for (const Route& route : routes()) {
    if (!route.matches(call.segments)) continue;
    if (route.method != method) {
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
      if (route.method == "GET") allowed += ", HEAD";
      continue;
    }
    call.route = route.name;
    if (route.method == "POST" && !is_json(call.request.content_type))
      throw RequestError(415, "unsupported_type", "Content-Type must be application/json");
    return (this->*route.handler)(call);
  }
  if (allowed.empty()) throw RequestError(404, "not_found", "there is nothing here");
  metrics_.request_failed("method_not_allowed");
  HttpAnswer answer =
      error_answer(405, "method_not_allowed", "the path takes " + allowed, call.request.id);
  answer.headers.emplace_back("Allow", allowed);
  call.send(std::move(answer));
}

void HttpApi::rank(Call& call) {
  std::string body = call.take_body();
  ParsedRank parsed = parse_rank(body, backend_.schema(), limits_, call.request.id, now_ms());
  std::vector<std::string> documents;
  for (const Candidate& candidate : parsed.request.documents)
    documents.push_back(candidate.document);
  const std::string id = parsed.request.id;
  backend_.rank(std::move(parsed.request), [this, call, id, top = parsed.top,
                                            documents = std::move(documents)](RankResult result) {
    call.guard([&] {
      if (const auto* failure = std::get_if<RankFailure>(&result)) return call.refuse(*failure);
      const std::string model_name = backend_.status().model_name;
      call.answer(rank_answer_json(std::get<RankAnswer>(result), documents, backend_.schema(),
                                   {id, model_name, top, call.milliseconds()}));
    });
  });
}

void HttpApi::embed(Call& call) {
  std::string body = call.take_body();
  EmbedRequest request = parse_embed(body, backend_.schema(), limits_);
  backend_.embed(std::move(request), [this, call](EmbedResult result) {
    call.guard([&] {
      if (const auto* failure = std::get_if<RankFailure>(&result)) return call.refuse(*failure);
      call.answer(embed_answer_json(std::get<EmbedAnswer>(result), call.request.id,
                                    backend_.status().model_name));
    });
  });
}

void HttpApi::feedback(Call& call) {
  if (feedback_ == nullptr) throw RequestError(503, "no_log", "the server keeps no event log");
  std::string body = call.take_body();
  std::vector<FeedbackEvent> events =
      parse_feedback(body, backend_.schema(), limits_, call.request.id, now_ms());
  feedback_->append(std::move(events), [this, call](const AppendOutcome& outcome) {
    call.guard([&] {
      if (outcome.kind == AppendOutcome::Kind::kOverloaded)
        throw RequestError(429, "overloaded", outcome.message);
      if (outcome.kind == AppendOutcome::Kind::kFailed)
        throw RequestError(503, "log_failed", outcome.message);
      metrics_.feedback_committed(outcome.written, outcome.duplicates);
      std::string text = fmt::format(R"({{"written":{},"duplicates":{},"request":)",
                                     outcome.written, outcome.duplicates);
      append_json(text, call.request.id);
      call.answer(text + "}\n");
    });
  });
}

void HttpApi::document(Call& call) {
  const std::optional<DocumentFacts> facts = backend_.document(call.segments.back());
  if (!facts) throw RequestError(404, "unknown_document", "the store has no document of that ID");
  call.answer(document_json(*facts));
}

void HttpApi::image(Call& call) {
  const auto parameters = read_parameters(call.request.query, {"field"});
  const auto png = backend_.image(call.segments[2], parameters[0]);
  if (!png) throw RequestError(404, "no_image", "there is no image of that document and field");
  HttpAnswer answer;
  answer.body.assign(png->begin(), png->end());
  answer.content_type = "image/png";
  call.send(std::move(answer));
}

void HttpApi::history(Call& call) {
  const auto parameters = read_parameters(call.request.query, {"name", "limit"});
  const auto& histories = backend_.schema().histories;
  if (parameters[0].empty() && histories.empty()) return call.answer(history_json({}));
  const std::string& name = parameters[0].empty() ? histories[0].name : parameters[0];
  const auto items = backend_.history(call.segments[2], name,
                                      read_count("limit", parameters[1], 50, limits_.max_history));
  if (!items) throw RequestError(404, "unknown_history", "the model has no history of that name");
  call.answer(history_json(*items));
}

void HttpApi::examples(Call& call) {
  const auto parameters = read_parameters(call.request.query, {"count"});
  RankExamples examples = backend_.examples(read_count("count", parameters[0], 50, 2000));
  auto& documents = examples.documents;
  documents.resize(std::min(documents.size(), limits_.max_documents));  // to rank as they are
  call.answer(examples_json(examples));
}

void HttpApi::status(Call& call) { call.answer(status_json(backend_.status(), backend_.schema())); }

void HttpApi::page(Call& call) { call.send(page_answer()); }

void HttpApi::favicon(Call& call) { call.answer("", 204); }

void HttpApi::live(Call& call) { call.answer("{\"live\":true}\n"); }

void HttpApi::ready(Call& call) {
  if (!backend_.status().is_ready) throw RequestError(503, "not_ready", "no model is loaded");
  call.answer("{\"ready\":true}\n");
}

void HttpApi::server_metadata(Call& call) {
  call.answer(R"({"name":"lemur","version":")" LEMUR_VERSION R"(","extensions":[]})"
              "\n");
}

void HttpApi::check_model_name(const Call& call) const {
  const std::string name = backend_.status().model_name;
  if (call.segments.at(2) != name)
    throw RequestError(404, "unknown_model", fmt::format("the model here is '{}'", name));
}

void HttpApi::model_metadata(Call& call) {
  check_model_name(call);
  const BackendStatus status = backend_.status();
  call.answer(model_metadata_json(backend_.schema(), status.model_name, status.model_version));
}

void HttpApi::model_ready(Call& call) {
  check_model_name(call);
  ready(call);
}

void HttpApi::infer(Call& call) {
  check_model_name(call);
  std::string body = call.take_body();
  auto parsed =
      std::make_shared<ParsedInfer>(parse_infer(body, backend_.schema(), limits_, now_ms()));
  parsed->request.id = call.request.id;
  RankRequest request = std::move(parsed->request);
  backend_.rank(std::move(request), [this, call, parsed](RankResult result) {
    call.guard([&] {
      if (const auto* failure = std::get_if<RankFailure>(&result)) return call.refuse(*failure);
      call.answer(infer_answer_json(std::get<RankAnswer>(result), *parsed, backend_.schema(),
                                    backend_.status().model_name));
    });
  });
}

void HttpApi::metrics(Call& call) {
  HttpAnswer answer;
  answer.body = metrics_.text(backend_.status());
  answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  call.send(std::move(answer));
}

void HttpApi::openapi(Call& call) { call.answer(std::string(openapi_document())); }

}  // namespace lemur
