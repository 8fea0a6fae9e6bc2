#include "lemur/http/http_front.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "lemur/base/folder.h"
#include "lemur/base/testing.h"
#include "lemur/http/fake_backend.h"
#include "lemur/http/http_testing.h"
#include "lemur/simd/path.h"

namespace lemur {
namespace {

using std::chrono::milliseconds;

HttpFrontOptions options_in(const TemporaryFolder& folder) {
  HttpFrontOptions options;
  options.server.address = "127.0.0.1:0";
  options.feedback_folder = folder.path() / "events";
  options.access_log = folder.path() / "access.jsonl";
  return options;
}

constexpr const char* kEvents =
    R"({"events":[{"id":"e1","user":1,"document":2,"time_ms":978300000003,"labels":{"click":1}},)"
    R"({"id":"e2","user":1,"document":3,"time_ms":978300000003,"action":"like"}]})";

TEST(HttpFront, RanksAsTheBackendDoes) {
  TemporaryFolder folder;
  FakeBackend backend;
  ServingMetrics metrics;
  HttpFront front(backend, metrics, options_in(folder));
  const auto answer = nlohmann::json::parse(body_of(http_exchange(
      front.port(), http_post("/v1/rank", R"({"user":7,"documents":["1","x",3],"top":2})"))));
  EXPECT_EQ(answer["model"], (nlohmann::json{{"name", "fake"}, {"version", "step-000007"}}));
  ASSERT_EQ(answer["documents"].size(), 2u);
  EXPECT_EQ(answer["documents"][0]["id"], answer["order"][0]);
  EXPECT_GE(answer["documents"][0]["score"], answer["documents"][1]["score"]);
}

TEST(HttpFront, TellsFailuresByStatusAndWhenToComeBack) {
  TemporaryFolder folder;
  FakeBackend backend;
  ServingMetrics metrics;
  HttpFront front(backend, metrics, options_in(folder));
  const auto answer_to = [&](const std::string& user) {
    return http_exchange(front.port(),
                         http_post("/v1/rank", R"({"documents":[1],"user":")" + user + "\"}"));
  };
  const std::string overloaded = answer_to("overloaded");
  EXPECT_EQ(status_of(overloaded), 429);
  EXPECT_NE(overloaded.find("Retry-After: 2\r\n"), std::string::npos);
  EXPECT_EQ(status_of(answer_to("late")), 504);
  EXPECT_EQ(status_of(answer_to("unready")), 503);
  EXPECT_EQ(status_of(answer_to("broken")), 500);
  const std::string wrong_method = http_exchange(front.port(), http_get("/v1/rank"));
  EXPECT_EQ(status_of(wrong_method), 405);
  EXPECT_NE(wrong_method.find("Allow: POST\r\n"), std::string::npos);
}

TEST(HttpFront, AnswersHeadWithTheHeadOfGet) {
  TemporaryFolder folder;
  FakeBackend backend;
  ServingMetrics metrics;
  HttpFront front(backend, metrics, options_in(folder));
  for (const char* path :
       {"/", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/fake",
        "/v2/models/fake/ready", "/v1/status", "/v1/examples", "/v1/documents/7",
        "/v1/documents/7/image", "/v1/users/42/history", "/openapi.json", "/v1/documents/nobody"}) {
    const std::string get = http_exchange(front.port(), http_get(path));
    TestConnection connection(front.port());
    // The connection ends with the answer: what is received is all of it.
    connection.send(
        fmt::format("HEAD {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path));
    const std::string head = connection.receive();
    EXPECT_EQ(status_of(head), status_of(get)) << path;
    EXPECT_EQ(body_of(head), "") << path;
    EXPECT_EQ(header_of(head, "Content-Length"), header_of(get, "Content-Length")) << path;
    EXPECT_EQ(header_of(head, "Content-Type"), header_of(get, "Content-Type")) << path;
  }
  const std::string wrong = http_exchange(
      front.port(), "HEAD /v1/rank HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_of(wrong), 405);
  EXPECT_EQ(header_of(wrong, "Allow"), "POST");
}

TEST(HttpFront, KeepsFeedbackOnceAcrossRestarts) {
  TemporaryFolder folder;
  FakeBackend backend;
  ServingMetrics metrics;
  std::vector<std::string> told;
  HttpFrontOptions options = options_in(folder);
  options.on_feedback = [&](const FeedbackEvent& event) { told.push_back(event.id); };
  for (int start = 0; start < 2; ++start) {
    HttpFront front(backend, metrics, options);
    const std::string answer = http_exchange(front.port(), http_post("/v1/feedback", kEvents));
    EXPECT_EQ(status_of(answer), 200);
    const auto body = nlohmann::json::parse(body_of(answer));
    EXPECT_EQ(body["written"], start == 0 ? 2 : 0);
    EXPECT_EQ(body["duplicates"], start == 0 ? 0 : 2);
    FeedbackReader reader(options.feedback_folder);
    EXPECT_EQ(reader.next()->id, "e1");
    EXPECT_EQ(reader.next()->id, "e2");
    EXPECT_EQ(reader.next(), std::nullopt);
  }
  EXPECT_EQ(told, (std::vector<std::string>{"e1", "e2"}));
}

TEST(HttpFront, ShowsAPageThatRunsItsOwnScriptOnly) {
  TemporaryFolder folder;
  FakeBackend backend;
  ServingMetrics metrics;
  HttpFrontOptions options = options_in(folder);
  options.token_file = folder.path() / "token";
  write_file_atomically(options.token_file, "0123456789abcdef");
  HttpFront front(backend, metrics, options);
  const std::string page = http_exchange(front.port(), http_get("/"));
  EXPECT_EQ(status_of(page), 200);
  const std::string head = page.substr(0, page.find("\r\n\r\n"));
  EXPECT_NE(head.find("Content-Type: text/html; charset=utf-8\r\n"), std::string::npos);
  for (const char* part : {"Content-Security-Policy: default-src 'none'; script-src 'sha256-",
                           "; connect-src 'self'; img-src 'self';", "; frame-ancestors 'none'\r\n"})
    EXPECT_NE(head.find(part), std::string::npos) << part << " is not in " << head;
  EXPECT_EQ(head.find("unsafe"), std::string::npos);
  EXPECT_EQ(status_of(http_exchange(front.port(), http_get("/favicon.ico"))), 204);
  for (const char* path : {"/v1/examples", "/v1/status", "/v1/users/42/history",
                           "/v1/documents/7/image", "//", "/index.html"})
    EXPECT_EQ(status_of(http_exchange(front.port(), http_get(path))), 401) << path;
}

TEST(HttpFront, TellsWhatAUserDidNewestFirst) {
  TemporaryFolder folder;
  FakeBackend backend;
  ServingMetrics metrics;
  HttpFront front(backend, metrics, options_in(folder));
  const auto actions_of = [&](const std::string& path) {
    return nlohmann::json::parse(body_of(http_exchange(front.port(), http_get(path))))["actions"];
  };
  const auto actions = actions_of("/v1/users/42/history?name=long");
  ASSERT_EQ(actions.size(), 2u);
  EXPECT_EQ(actions[0], (nlohmann::json{{"document", "7"},
                                        {"title", "A \"title\""},
                                        {"time_ms", 978300000000},
                                        {"action", "click"}}));
  EXPECT_TRUE(actions[1]["document"].is_null());
  EXPECT_EQ(actions_of("/v1/users/42/history?limit=1").size(), 1u);
  EXPECT_EQ(actions_of("/v1/users/nobody/history").size(), 0u);
}

TEST(HttpFront, RefusesFeedbackWithoutALog) {
  TemporaryFolder folder;
  FakeBackend backend;
  ServingMetrics metrics;
  HttpFrontOptions options = options_in(folder);
  options.feedback_folder.clear();
  HttpFront front(backend, metrics, options);
  EXPECT_EQ(status_of(http_exchange(front.port(), http_post("/v1/feedback", kEvents))), 503);
}

TEST(HttpFront, LogsEachRequestAsALineOfJson) {
  TemporaryFolder folder;
  FakeBackend backend;
  ServingMetrics metrics;
  const HttpFrontOptions options = options_in(folder);
  {
    HttpFront front(backend, metrics, options);
    TestConnection connection(front.port());
    connection.send(http_get("/v2/health/live", "X-Request-Id: a\"b\r\n"));
    connection.receive();
    connection.send(http_get("/nothing%0A?q=\"x"));
    connection.receive();
    front.drain(milliseconds(1000));
  }
  std::istringstream lines(read_file(options.access_log));
  std::vector<nlohmann::json> records;
  for (std::string line; std::getline(lines, line);) records.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0]["id"], "a\"b");
  EXPECT_EQ(records[0]["status"], 200);
  EXPECT_EQ(records[0]["remote"], "127.0.0.1");
  EXPECT_EQ(records[1]["path"], "/nothing%0A?q=\"x");
  EXPECT_EQ(records[1]["status"], 404);
  EXPECT_GT(records[1]["bytes"], 0);
  EXPECT_GE(records[1]["ms"], 0);
}

TEST(HttpFront, CountsWithoutGivingClientsNewSeries) {
  TemporaryFolder folder;
  FakeBackend backend;
  ServingMetrics metrics;
  HttpFront front(backend, metrics, options_in(folder));
  TestConnection connection(front.port());  // one: what it asked first is counted first
  for (int i = 0; i < 33; ++i) {
    connection.send(http_get("/made-up-" + std::to_string(i)));
    connection.receive();
  }
  metrics.stage_took(ServingStage::kScore, 0.002);
  metrics.batch_scored(3, 600);
  metrics.bank_looked_up(BankLookup::kMiss, 5);
  metrics.score_not_finite(true);
  connection.send(http_get("/metrics"));
  const std::string text = body_of(connection.receive());
  const auto expect_line = [&](const std::string& line) {
    EXPECT_NE(text.find("\n" + line + "\n"), std::string::npos) << line << "\n" << text;
  };
  expect_line(R"(lemur_http_requests_total{route="none",status="404"} 33)");
  expect_line(R"(lemur_request_seconds_count{stage="score"} 1)");
  expect_line("lemur_batch_size_sum 3");
  expect_line(R"(lemur_nonfinite_scores_total{cause="request"} 1)");
  expect_line(R"(lemur_nonfinite_scores_total{cause="model"} 0)");
  expect_line(R"(lemur_bank_lookups_total{result="miss"} 5)");
  expect_line(R"(lemur_model_version_info{name="fake",version="step-000007"} 1)");
  expect_line("lemur_cpu_path_info{path=\"" + simd::path() + "\"} 1");
  expect_line("lemur_model_staleness_seconds 60");
  EXPECT_EQ(text.find("made-up"), std::string::npos);
}

TEST(HttpFront, AnswersWhatWaitsWhenItDrains) {
  TemporaryFolder folder;
  FakeBackend backend;
  ServingMetrics metrics;
  HttpFront front(backend, metrics, options_in(folder));
  TestConnection waiting(front.port());
  waiting.send(http_post("/v1/rank", R"({"documents":[1],"user":"waiting"})"));
  while (backend.num_waiting() == 0) std::this_thread::yield();
  std::thread drain([&] { front.drain(std::chrono::seconds(10)); });
  const auto is_answered = [&] {
    TestConnection probe(front.port());
    probe.send(http_get("/v2/health/live"));
    return !probe.receive().empty();
  };
  while (is_answered()) std::this_thread::yield();
  backend.release();
  EXPECT_EQ(status_of(waiting.receive()), 200);
  drain.join();
}

TEST(HttpFront, ServesManyClientsAtOnce) {
  TemporaryFolder folder;
  FakeBackend backend;
  ServingMetrics metrics;
  HttpFront front(backend, metrics, options_in(folder));
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client)
    clients.emplace_back([&, client] {
      TestConnection connection(front.port());
      for (int i = 0; i < 100; ++i) {
        const std::string id = std::to_string(client * 1000 + i + 1);
        connection.send(http_post("/v1/rank", R"({"user":1,"documents":[)" + id + "]}"));
        const std::string body = body_of(connection.receive());
        ASSERT_NE(body.find(R"("order":[")" + id + "\"]"), std::string::npos) << body;
        connection.send(http_post(
            "/v1/feedback", R"({"events":[{"user":1,"action":"click","document":)" + id + "}]}"));
        ASSERT_EQ(status_of(connection.receive()), 200);
      }
    });
  for (std::thread& client : clients) client.join();
  FeedbackReader reader(folder.path() / "events");
  int events = 0;
  while (reader.next()) ++events;
  EXPECT_EQ(events, 800);
}

}  // namespace
}  // namespace lemur
