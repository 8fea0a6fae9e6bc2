#include "lemur/data/diagnosis.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

std::map<std::string, Diagnosis> diagnose_all(const StoreContent& content) {
  TemporaryFolder folder;
  write_store(folder.path() / "store", content);
  std::map<std::string, Diagnosis> all;
  for (const Diagnosis& one : diagnose(SampleStore(folder.path() / "store"))) all[one.topic] = one;
  return all;
}

/// 200 requests of 10 impressions of 1000 documents, the `clicked`th row of each clicked, and a
/// test split of other documents.
StoreContent sparse(size_t clicked) {
  StoreContent content =
      random_store({.num_events = 2200, .num_documents = 2000, .num_users = 100});
  content.schema.splits = {{"train", 0, 2000}, {"valid", 2000, 2000}, {"test", 2000, 2200}};
  for (size_t e = 0; e < content.events.size(); ++e) {
    auto& event = content.events[e];
    event.request = e / 10;
    event.labels = {static_cast<uint8_t>(e % 10 == clicked), 0};
    event.document = static_cast<uint32_t>(e < 2000 ? e % 1000 : 1000 + e - 2000);
    event.weight = 1;
  }
  return content;
}

TEST(Diagnosis, CountsClicksRequestsAndWhatIsUnseen) {
  const auto found = diagnose_all(sparse(7));
  EXPECT_EQ(found.at("clicks").finding, "200 of 2000 impressions of train have label 1 (10.0 %)");
  EXPECT_NE(found.at("clicks").advice.find("Too few"), std::string::npos);
  EXPECT_EQ(found.at("requests").finding,
            "200 requests of 10.0 impressions; 100.0 % have both labels");
  EXPECT_NE(found.at("requests").advice.find("noise"), std::string::npos);
  EXPECT_EQ(
      found.at("documents").finding,
      "train shows 1000 of 2000 documents, half of them at most 2 times; 100.0 % fewer than 10 "
      "times");
  EXPECT_NE(found.at("documents").advice.find("admit_after"), std::string::npos);
  EXPECT_TRUE(
      found.at("unseen in test").finding.starts_with("of its rows 100.0 % are of documents"));
  EXPECT_NE(found.at("unseen in test").advice, "");
  EXPECT_EQ(found.count("unseen in valid"), 0U);
  EXPECT_EQ(found.at("order of rows").advice, "");
  EXPECT_EQ(found.at("duplicates").advice, "");
  EXPECT_EQ(found.count("text title"), 1U);
  EXPECT_EQ(found.count("history long"), 1U);
}

TEST(Diagnosis, SeesClicksOfTheFirstRowAndDuplicates) {
  StoreContent content = sparse(0);
  for (size_t e = 1; e < 2000; e += 10) content.events[e].document = content.events[e - 1].document;
  const auto found = diagnose_all(content);
  EXPECT_EQ(found.at("order of rows").finding,
            "the first row of a request is clicked 100.0 % of the time, any row 10.0 %");
  EXPECT_NE(found.at("order of rows").advice.find("position"), std::string::npos);
  EXPECT_EQ(found.at("duplicates").finding,
            "200 rows of train show a document that their request has already (10.0 %)");
  EXPECT_NE(found.at("duplicates").advice, "");
}

TEST(Diagnosis, OfSingleImpressionsAsksForRequests) {
  StoreContent content = sparse(7);
  for (size_t e = 0; e < content.events.size(); ++e) content.events[e].request = e;
  const auto found = diagnose_all(content);
  EXPECT_NE(found.at("requests").advice.find("data.columns.request"), std::string::npos);
  EXPECT_EQ(found.count("order of rows"), 0U);
}

TEST(Diagnosis, OfAnEmptyTrainingSplitHasNothingToSayButNumbers) {
  StoreContent content = random_store({});
  content.schema.splits = {{"train", 0, 0}, {"test", 0, 100}};
  EXPECT_EQ(diagnose_all(content).at("clicks").finding,
            "0 of 0 impressions of train have label 1 (0.00 %)");
}

}  // namespace
}  // namespace lemur
