// The front of the server over a backend that only looks like one, for tests from outside.
//   serve_fake FOLDER [READ_LIMIT_MS [TOKEN_FILE]]
// Keeps its event log and access log in FOLDER, prints the port, and drains on SIGTERM.
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "lemur/http/fake_backend.h"
#include "lemur/http/http_front.h"

namespace lemur {
namespace {

void serve(const std::filesystem::path& folder, int read_limit_ms, const std::string& token_file) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before the threads, which inherit it
  FakeBackend backend;
  ServingMetrics metrics;
  HttpFrontOptions options;
  options.server.address = "127.0.0.1:0";
  options.server.read_limit = std::chrono::milliseconds(read_limit_ms);
  options.server.max_body_bytes = 1 << 20;
  options.token_file = token_file;
  options.feedback_folder = folder / "events";
  options.access_log = folder / "access.jsonl";
  HttpFront front(backend, metrics, options);
  std::printf("%d\n", front.port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  front.drain(std::chrono::seconds(5));
}

}  // namespace
}  // namespace lemur

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "usage: serve_fake FOLDER [READ_LIMIT_MS [TOKEN_FILE]]\n");
    return 2;
  }
  try {
    lemur::serve(argv[1], argc > 2 ? std::stoi(argv[2]) : 10'000, argc > 3 ? argv[3] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "serve_fake: %s\n", error.what());
    return 1;
  }
  return 0;
}
