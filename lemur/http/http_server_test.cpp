#include "lemur/http/http_server.h"

#include <atomic>
#include <mutex>
#include <thread>

#include "lemur/base/testing.h"
#include "lemur/http/http_testing.h"

namespace lemur {
namespace {

using std::chrono::milliseconds;

HttpServerOptions free_port() {
  HttpServerOptions options;
  options.address = "127.0.0.1:0";
  return options;
}

/// Answers with method, path and body.
void echo(const HttpRequest& request, const Responder& responder) {
  HttpAnswer answer;
  answer.body = request.method + " " + request.path + " " + request.body;
  responder(std::move(answer));
}

TEST(HttpServer, AnswersSeveralRequestsOfOneConnection) {
  HttpServer server(free_port(), echo);
  TestConnection connection(server.port());
  connection.send(http_get("/a?b=c"));
  EXPECT_EQ(body_of(connection.receive()), "GET /a ");
  connection.send(http_post("/%41", "body") + http_get("/next"));
  EXPECT_EQ(body_of(connection.receive()), "POST /%41 body");
  EXPECT_EQ(body_of(connection.receive()), "GET /next ");
}

TEST(HttpServer, RefusesWithoutATokenWhatIsMeantForAnotherHost) {
  HttpServerOptions options = free_port();
  options.host_names = {"ranker.example"};
  HttpServer server(options, echo);
  const auto status = [](const HttpServer& to, const std::string& host) {
    return status_of(http_exchange(to.port(), "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n"));
  };
  for (const char* own : {"localhost", "LocalHost:8080", "127.0.0.1", "127.9.8.7:1", "[::1]",
                          "[::1]:8080", "ranker.example", "Ranker.Example:80"})
    EXPECT_EQ(status(server, own), 200) << own;
  for (const char* other : {"evil.example", "evil.example:8080", "localhost.evil.example",
                            "127.0.0.1.evil.example", "128.0.0.1", "0.0.0.0", "[::2]:8080", "::1",
                            "localhost:80:80", "localhost:port", "x@localhost"})
    EXPECT_EQ(status(server, other), 421) << other;
  EXPECT_EQ(status_of(http_exchange(server.port(), "GET / HTTP/1.0\r\n\r\n")), 200);

  options.token = "a-token-of-a-test-0123456789";
  options.open_paths = {"/"};
  HttpServer asking(options, echo);
  EXPECT_EQ(status(asking, "evil.example"), 200) << "a token is all it takes";
}

TEST(HttpServer, AnswersFromAnotherThread) {
  std::vector<std::thread> threads;
  std::mutex mutex;
  HttpServer server(free_port(), [&](const HttpRequest& request, const Responder& responder) {
    std::lock_guard lock(mutex);
    threads.emplace_back([request, responder] { echo(request, responder); });
  });
  for (int i = 0; i < 33; ++i)
    EXPECT_EQ(body_of(http_exchange(server.port(), http_post("/", std::to_string(i)))),
              "POST / " + std::to_string(i));
  for (std::thread& thread : threads) thread.join();
}

TEST(HttpServer, AnswersWhatIsForgottenAndWhatThrowsWith500) {
  HttpServer server(free_port(), [](const HttpRequest& request, const Responder&) {
    if (request.path == "/throw") throw DataError("secret");
  });
  const std::string forgotten = http_exchange(server.port(), http_get("/forget"));
  EXPECT_EQ(status_of(forgotten), 500);
  EXPECT_NE(forgotten.find(R"("code":"internal")"), std::string::npos);
  const std::string thrown = http_exchange(server.port(), http_get("/throw"));
  EXPECT_EQ(status_of(thrown), 500);
  EXPECT_EQ(thrown.find("secret"), std::string::npos);
}

TEST(HttpServer, EchoesASaneRequestIdAndReplacesOthers) {
  HttpServer server(free_port(), echo);
  const auto id_of = [&](const std::string& given) {
    const std::string answer =
        http_exchange(server.port(), http_get("/", "X-Request-Id: " + given + "\r\n"));
    const size_t begin = answer.find("X-Request-Id: ") + 14;
    return answer.substr(begin, answer.find("\r\n", begin) - begin);
  };
  EXPECT_EQ(id_of("abc-1"), "abc-1");
  EXPECT_EQ(id_of(std::string(128, 'x')), std::string(128, 'x'));
  EXPECT_NE(id_of(std::string(129, 'x')), std::string(129, 'x'));
  EXPECT_NE(id_of("two words"), "two words");
  EXPECT_NE(id_of(""), id_of(""));
}

TEST(HttpServer, RefusesBodiesThatAreTooLargeBeforeReadingThem) {
  HttpServerOptions options = free_port();
  options.max_body_bytes = 32;
  std::atomic<int> handled = 0;
  HttpServer server(options, [&](const HttpRequest& request, const Responder& responder) {
    ++handled;
    echo(request, responder);
  });
  EXPECT_EQ(status_of(http_exchange(server.port(), http_post("/", std::string(32, 'a')))), 200);
  EXPECT_EQ(status_of(http_exchange(
                server.port(), "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 33\r\n\r\n")),
            413);
  EXPECT_EQ(
      status_of(http_exchange(
          server.port(),
          "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n")),
      413);
  EXPECT_EQ(status_of(http_exchange(server.port(),
                                    "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                                    "chunked\r\n\r\n21\r\n" +
                                        std::string(33, 'a') + "\r\n0\r\n\r\n")),
            413);
  EXPECT_EQ(handled, 1);
}

TEST(HttpServer, RefusesBodiesWhoseLengthIsAmbiguous) {
  HttpServer server(free_port(), echo);
  const auto status = [&](const std::string& headers) {
    return status_of(http_exchange(
        server.port(), "POST / HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n0\r\n\r\n"));
  };
  EXPECT_EQ(status("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(status("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
  EXPECT_EQ(status("Transfer-Encoding: gzip\r\n"), 400);
  EXPECT_EQ(status("Content-Length: -5\r\n"), 400);
  EXPECT_EQ(status("Content-Length: +5\r\n"), 400);
  EXPECT_EQ(status(""), 411);
  EXPECT_EQ(status("Content-Length: 5\r\nContent-Encoding: gzip\r\n"), 415);
}

TEST(HttpServer, CutsSlowBodiesAndSlowHeads) {
  HttpServerOptions options = free_port();
  options.read_limit = milliseconds(300);
  HttpServer server(options, echo);
  for (const std::string head :
       {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", "GET / HT"}) {
    TestConnection connection(server.port());
    connection.send(head);
    std::atomic<bool> is_done = false;
    // A byte now and then is no progress: the limit is the whole request's.
    std::thread drip([&] {
      while (!is_done) {
        connection.send("a");
        std::this_thread::sleep_for(milliseconds(50));
      }
    });
    const auto begin = std::chrono::steady_clock::now();
    const std::string answer = connection.receive();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
    is_done = true;
    drip.join();
    EXPECT_EQ(status_of(answer), head.starts_with("POST") ? 408 : 0) << answer;
  }
  EXPECT_EQ(status_of(http_exchange(server.port(), http_get("/"))), 200);
}

TEST(HttpServer, EndsConnectionsThatIdle) {
  HttpServerOptions options = free_port();
  options.idle_limit = milliseconds(200);
  HttpServer server(options, echo);
  TestConnection connection(server.port());
  connection.send(http_get("/"));
  EXPECT_EQ(status_of(connection.receive()), 200);
  EXPECT_EQ(connection.receive(), "");
}

TEST(HttpServer, AsksForTheTokenWhereThereIsOne) {
  HttpServerOptions options = free_port();
  options.address = "0.0.0.0:0";
  expect_error<InvalidArgument>([&] { HttpServer(options, echo); }, "needs a bearer token");
  options.token = "0123456789abcdef";
  options.open_paths = {"/open"};
  HttpServer server(options, echo);
  const auto status = [&](const std::string& path, const std::string& header) {
    return status_of(http_exchange(server.port(), http_get(path, header)));
  };
  EXPECT_EQ(status("/", ""), 401);
  EXPECT_EQ(status("/open", ""), 200);
  EXPECT_EQ(status("/", "Authorization: Bearer 0123456789abcdef\r\n"), 200);
  EXPECT_EQ(status("/", "Authorization: bearer 0123456789abcdef\r\n"), 200);
  EXPECT_EQ(status("/", "Authorization: Bearer 0123456789abcdeF\r\n"), 401);
  EXPECT_EQ(status("/", "Authorization: Bearer 0123456789abcdef0\r\n"), 401);
  EXPECT_EQ(status("/", "Authorization: Basic 0123456789abcdef\r\n"), 401);
}

TEST(HttpServer, RefusesAddressesThatAreNone) {
  for (const char* address : {"", "8080", "example.com:80", "127.0.0.1:65536",
                              "127.0.0.1:", "[::1:80", "1.2.3:80", "127.0.0.1:-1"}) {
    HttpServerOptions options;
    options.address = address;
    expect_error<InvalidArgument>([&] { HttpServer(options, echo); }, "is no address");
  }
  HttpServer server(free_port(), echo);
  HttpServerOptions taken;
  taken.address = "127.0.0.1:" + std::to_string(server.port());
  expect_error<DataError>([&] { HttpServer(taken, echo); }, "cannot listen on");
}

TEST(HttpServer, DrainsWhatIsUnderWayAndRefusesWhatIsNew) {
  std::mutex mutex;
  std::vector<Responder> held;
  HttpServer server(free_port(), [&](const HttpRequest& request, const Responder& responder) {
    std::lock_guard lock(mutex);
    if (request.path == "/hold")
      held.push_back(responder);
    else
      echo(request, responder);
  });
  const uint16_t port = server.port();
  TestConnection waiting(port), kept(port);
  kept.send(http_get("/"));
  EXPECT_EQ(status_of(kept.receive()), 200);
  waiting.send(http_get("/hold"));
  while (std::lock_guard(mutex), held.empty()) std::this_thread::yield();
  std::thread drain([&] { server.drain(std::chrono::seconds(10)); });
  // A connection that was there before is told; a new one is closed.
  std::string told;
  do {
    kept.send(http_get("/"));
    told = kept.receive();
  } while (status_of(told) == 200);
  EXPECT_EQ(status_of(told), 503);
  TestConnection late(port);
  late.send(http_get("/"));
  EXPECT_EQ(late.receive(), "");
  held.front()(HttpAnswer{.body = "late"});
  const std::string answer = waiting.receive();
  EXPECT_EQ(body_of(answer), "late");
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  drain.join();
}

TEST(HttpServer, EndsAtTheLimitWithoutTheAnswer) {
  std::mutex mutex;
  std::vector<Responder> held;
  HttpServer server(free_port(), [&](const HttpRequest&, const Responder& responder) {
    std::lock_guard lock(mutex);
    held.push_back(responder);
  });
  TestConnection waiting(server.port());
  waiting.send(http_get("/"));
  while (std::lock_guard(mutex), held.empty()) std::this_thread::yield();
  server.drain(milliseconds(50));
  EXPECT_EQ(status_of(waiting.receive()), 503);
  held.front()(HttpAnswer{.body = "too late"});
}

TEST(HttpServer, CutsClientsThatDoNotReadTheirAnswer) {
  HttpServerOptions options = free_port();
  options.write_limit = milliseconds(200);
  std::atomic<int> completed = 0;
  options.completed = [&](const HttpRecord&) { ++completed; };
  HttpServer server(options, [](const HttpRequest&, const Responder& responder) {
    responder(HttpAnswer{.body = std::string(64 << 20, 'a')});
  });
  TestConnection connection(server.port());
  connection.send(http_get("/"));
  const auto begin = std::chrono::steady_clock::now();
  while (completed == 0 && std::chrono::steady_clock::now() - begin < std::chrono::seconds(10))
    std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(completed, 1);
  EXPECT_LT(connection.receive().size(), size_t{64} << 20);
}

}  // namespace
}  // namespace lemur
