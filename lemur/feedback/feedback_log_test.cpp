#include "lemur/feedback/feedback_log.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <future>
#include <map>
#include <random>
#include <set>

#include "lemur/base/folder.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

FeedbackEvent event_of(const std::string& id) {
  FeedbackEvent event;
  event.id = id;
  event.user = "u\"1";
  event.document = "d\n2";
  event.time_ms = 978300000000;
  event.labels = {{"click", 1}};
  event.features = {{"age", 42.5}, {"hour", std::vector<std::string>{"12", "13"}}};
  return event;
}

AppendOutcome append(FeedbackLog& log, std::vector<FeedbackEvent> events) {
  auto promise = std::make_shared<std::promise<AppendOutcome>>();
  log.append(std::move(events),
             [promise](const AppendOutcome& outcome) { promise->set_value(outcome); });
  return promise->get_future().get();
}

std::vector<std::string> ids_in(const std::filesystem::path& folder, LogPosition from = {}) {
  FeedbackReader reader(folder, from);
  std::vector<std::string> ids;
  while (std::optional<FeedbackEvent> event = reader.next()) ids.push_back(event->id);
  return ids;
}

TEST(FeedbackLog, GivesBackWhatWasAppended) {
  TemporaryFolder folder;
  FeedbackLog log({.folder = folder.path() / "log"});
  EXPECT_EQ(append(log, {event_of("a"), event_of("b")}).written, 2u);
  FeedbackReader reader(folder.path() / "log");
  EXPECT_EQ(reader.next(), event_of("a"));
  const LogPosition between = reader.position();
  EXPECT_EQ(reader.next(), event_of("b"));
  EXPECT_EQ(reader.next(), std::nullopt);
  EXPECT_EQ(reader.position(), log.committed());
  append(log, {event_of("c")});
  EXPECT_EQ(reader.next(), event_of("c"));
  EXPECT_EQ(ids_in(folder.path() / "log", between), (std::vector<std::string>{"b", "c"}));
}

TEST(FeedbackLog, WritesAnEventOnceAlsoAcrossARestart) {
  TemporaryFolder folder;
  {
    FeedbackLog log({.folder = folder.path()});
    append(log, {event_of("a"), event_of("a")});
    const AppendOutcome again = append(log, {event_of("b"), event_of("a")});
    EXPECT_EQ(again.kind, AppendOutcome::Kind::kCommitted);
    EXPECT_EQ(again.written, 1u);
    EXPECT_EQ(again.duplicates, 1u);
  }
  FeedbackLog log({.folder = folder.path()});
  EXPECT_EQ(log.recovery().records, 2u);
  EXPECT_EQ(append(log, {event_of("b"), event_of("c")}).duplicates, 1u);
  EXPECT_EQ(ids_in(folder.path()), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(FeedbackLog, ForgetsIdsBeyondItsWindow) {
  TemporaryFolder folder;
  FeedbackLog log({.folder = folder.path(), .recent_ids = 2});
  for (const char* id : {"a", "b", "c"}) append(log, {event_of(id)});
  EXPECT_EQ(append(log, {event_of("c")}).duplicates, 1u);
  EXPECT_EQ(append(log, {event_of("a")}).written, 1u);
}

TEST(FeedbackLog, GoesOnInANewSegmentAndReadsAcrossThem) {
  TemporaryFolder folder;
  std::vector<std::string> ids;
  {
    FeedbackLog log({.folder = folder.path(), .segment_bytes = 300});
    for (int i = 0; i < 10; ++i) {
      ids.push_back(std::to_string(i));
      append(log, {event_of(ids.back())});
    }
    EXPECT_GT(log.committed().segment, 2u);
  }
  EXPECT_EQ(ids_in(folder.path()), ids);
  FeedbackLog log({.folder = folder.path(), .segment_bytes = 300});
  EXPECT_EQ(log.recovery().records, 10u);
  EXPECT_EQ(append(log, {event_of("0")}).duplicates, 1u);
}

TEST(FeedbackLog, CutsATornEndAndKeepsWhatWasCut) {
  TemporaryFolder folder;
  const auto file = segment_path(folder.path(), 1);
  std::string whole;
  {
    FeedbackLog log({.folder = folder.path()});
    append(log, {event_of("a"), event_of("b")});
    whole = read_file(file);
  }
  const size_t first = whole.find('\n') + 1;
  for (size_t size = first + 1; size < whole.size(); size += 7) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << whole.substr(0, size);
    FeedbackLog log({.folder = folder.path()});
    EXPECT_EQ(log.recovery().cut_bytes, size - first);
    EXPECT_EQ(read_file(file.string() + ".torn"), whole.substr(first, size - first));
    EXPECT_EQ(append(log, {event_of("b")}).written, 1u);
    EXPECT_EQ(ids_in(folder.path()), (std::vector<std::string>{"a", "b"}));
  }
}

TEST(FeedbackLog, RefusesADamagedOlderSegment) {
  TemporaryFolder folder;
  {
    FeedbackLog log({.folder = folder.path(), .segment_bytes = 1});
    for (const char* id : {"a", "b", "c"}) append(log, {event_of(id)});
  }
  std::string bytes = read_file(segment_path(folder.path(), 2));
  bytes[60] ^= 1;
  std::ofstream(segment_path(folder.path(), 2), std::ios::binary | std::ios::trunc) << bytes;
  expect_error<DataError>([&] { FeedbackLog({.folder = folder.path()}); },
                          "events-000002.log: the record at byte 0 is damaged");
  expect_error<DataError>([&] { ids_in(folder.path()); }, "events-000002.log");
  expect_error<DataError>([&] { ids_in(folder.path(), {1, 1 << 20}); }, "lies behind its end");
}

TEST(FeedbackLog, HasOneWriter) {
  TemporaryFolder folder;
  FeedbackLog log({.folder = folder.path()});
  expect_error<DataError>([&] { FeedbackLog({.folder = folder.path()}); },
                          "is written by another process");
}

TEST(FeedbackLog, RefusesMoreThanMayWait) {
  TemporaryFolder folder;
  FeedbackLog log({.folder = folder.path(), .max_pending_events = 1});
  EXPECT_EQ(append(log, {event_of("a"), event_of("b")}).kind, AppendOutcome::Kind::kOverloaded);
  EXPECT_EQ(append(log, {event_of("a")}).kind, AppendOutcome::Kind::kCommitted);
  EXPECT_EQ(ids_in(folder.path()), (std::vector<std::string>{"a"}));
}

TEST(FeedbackLog, StaysWholeWhenTheDiskIsFull) {
  TemporaryFolder folder;
  std::vector<std::string> told;
  FeedbackLog log({.folder = folder.path()},
                  [&](const FeedbackEvent& event) { told.push_back(event.id); });
  append(log, {event_of("a")});
  // A limit on the size of files stands for the full disk: part of the record still fits.
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit small{std::filesystem::file_size(segment_path(folder.path(), 1)) + 20, old.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const AppendOutcome full = append(log, {event_of("b")});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(full.kind, AppendOutcome::Kind::kFailed);
  EXPECT_NE(full.message.find("cannot write the event log"), std::string::npos);
  EXPECT_EQ(append(log, {event_of("b")}).written, 1u);
  EXPECT_EQ(ids_in(folder.path()), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(told, (std::vector<std::string>{"a", "b"}));
}

TEST(FeedbackLog, TellsOfEventsInTheOrderOfTheLog) {
  TemporaryFolder folder;
  std::vector<std::string> told;
  {
    FeedbackLog log({.folder = folder.path()},
                    [&](const FeedbackEvent& event) { told.push_back(event.id); });
    std::vector<std::thread> clients;
    for (int client = 0; client < 8; ++client)
      clients.emplace_back([&log, client] {
        for (int i = 0; i < 33; ++i)
          append(log, {event_of(std::to_string(client) + "-" + std::to_string(i))});
      });
    for (std::thread& client : clients) client.join();
  }
  EXPECT_EQ(told.size(), 8u * 33);
  EXPECT_EQ(ids_in(folder.path()), told);
}

/// Appends events from several threads until it is killed; writes each acknowledged number to
/// `pipe`.
[[noreturn]] void append_until_killed(const std::filesystem::path& folder, int pipe, int round) {
  FeedbackLog log({.folder = folder, .segment_bytes = 20'000});
  for (int client = 0; client < 4; ++client)
    std::thread([&log, pipe, round, client] {
      for (int i = 0;; ++i) {
        const std::string id = fmt::format("{:02}-{}-{:06}", round, client, i);
        if (append(log, {event_of(id)}).kind != AppendOutcome::Kind::kCommitted) ::_exit(1);
        if (::write(pipe, id.data(), id.size()) != static_cast<ssize_t>(id.size())) ::_exit(1);
      }
    }).detach();
  while (true) ::pause();
}

TEST(FeedbackLog, HasEveryAcknowledgedEventOnceAfterKills) {
  TemporaryFolder folder;
  std::mt19937 random(7);
  std::set<std::string> acknowledged;
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      append_until_killed(folder.path(), ends[1], round);
    }
    ::close(ends[1]);
    constexpr size_t kIdBytes = 11;
    char id[kIdBytes];
    // Killed after the first acknowledgement and a random while.
    ASSERT_EQ(::read(ends[0], id, kIdBytes), static_cast<ssize_t>(kIdBytes));
    acknowledged.emplace(id, kIdBytes);
    ::usleep(std::uniform_int_distribution<useconds_t>(0, 20'000)(random));
    ::kill(child, SIGKILL);
    while (::read(ends[0], id, kIdBytes) == static_cast<ssize_t>(kIdBytes))
      acknowledged.emplace(id, kIdBytes);
    ::close(ends[0]);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  }
  // Clients that never saw their acknowledgement send again.
  FeedbackLog log({.folder = folder.path(), .segment_bytes = 20'000});
  for (const std::string& id : acknowledged)
    EXPECT_EQ(append(log, {event_of(id)}).duplicates, 1u) << id;
  std::map<std::string, int> counts;
  for (const std::string& id : ids_in(folder.path())) ++counts[id];
  for (const std::string& id : acknowledged) EXPECT_EQ(counts[id], 1) << id;
  for (const auto& [id, count] : counts) EXPECT_EQ(count, 1) << id;
  EXPECT_GT(acknowledged.size(), static_cast<size_t>(kRounds));
}

}  // namespace
}  // namespace lemur
