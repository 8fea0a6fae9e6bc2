#include "lemur/data/ingest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lemur/base/hash.h"
#include "lemur/data/ingest_testing.h"
#include "lemur/text/tokenizer.h"

namespace lemur {
namespace {

template <typename T>
std::vector<T> items(std::span<const T> span) {
  return {span.begin(), span.end()};
}

std::vector<uint64_t> keys(std::initializer_list<std::string_view> texts) {
  std::vector<uint64_t> result;
  for (std::string_view text : texts) result.push_back(hash_bytes(text));
  return result;
}

TEST_F(IngestTest, OrdersEventsBySplitThenTimeThenRow) {
  write_inputs();
  SampleStore store = run();
  const StoreSchema& schema = store.schema();
  ASSERT_EQ(schema.splits.size(), 3U);
  EXPECT_EQ(schema.splits[0].name, "train");
  EXPECT_EQ(schema.splits[0].end, 3U);
  EXPECT_EQ(schema.splits[1].name, "valid");
  EXPECT_EQ(schema.splits[2].name, "test");
  EXPECT_EQ(items(store.rows()), (std::vector<uint64_t>{0, 3, 1, 2, 5, 4}));
  EXPECT_EQ(items(store.labels(0)), (std::vector<uint8_t>{1, 1, 0, 1, 1, 0}));
  EXPECT_EQ(items(store.users()), (std::vector<uint32_t>{0, 1, 1, 0, 0, 1}));
  EXPECT_EQ(items(store.documents()), (std::vector<uint32_t>{1, 1, 0, 0, 1, 2}));
  EXPECT_EQ(store.times()[1], 1000000000500);
  EXPECT_EQ(items(store.weights()), std::vector<float>(6, 1));
  EXPECT_EQ(items(store.queries()), std::vector<uint32_t>(6, kNone));
  EXPECT_EQ(store.user_id(0), "u2");  // in the order of their first rows
  EXPECT_EQ(store.document_id(2), "d3");
  EXPECT_EQ(store.document_keys()[2], hash_bytes("d3"));
  EXPECT_EQ(items(store.document_first_seen()),
            (std::vector<int64_t>{1000000001000, 1000000000000, 1000000009000}));
}

TEST_F(IngestTest, TokenisesEachTextCutToItsLength) {
  write_inputs();
  SampleStore store = run();
  Tokenizer tokenizer = Tokenizer::load(store.vocabulary_path(), true);
  EXPECT_EQ(store.schema().vocabulary_size, static_cast<int64_t>(tokenizer.pieces().size()));
  std::vector<int32_t> expected;
  tokenizer.encode("A blue fox jumps over it", 4, expected);
  ASSERT_EQ(expected.size(), 4U);
  EXPECT_EQ(items(store.document_tokens(1, 0)), expected);
  EXPECT_TRUE(store.document_tokens(2, 0).empty());
  EXPECT_EQ(summary["text"]["title"]["cut"], 1);
  EXPECT_EQ(summary["text"]["title"]["max_tokens"], 4);
}

TEST_F(IngestTest, UsesAGivenVocabulary) {
  write_inputs();
  write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\nfox\n");
  how.tokenizer.vocab = "vocab.txt";
  EXPECT_EQ(items(run().document_tokens(0, 0)), (std::vector<int32_t>{1, 5, 6}));
}

TEST_F(IngestTest, TrainsTheVocabularyOnQueriesOfTheTrainingSplitOnly) {
  how.data.text.clear();
  how.data.columns.query = "query";
  events =
      "split,time,user,document,label,query\ntrain,1,u,d1,1,zebra zebra\ntest,2,u,d1,1,qqq qqq\n";
  write_inputs();
  std::string vocabulary = read_file(run().vocabulary_path());
  EXPECT_TRUE(holds(vocabulary, "\nzebra\n"));
  EXPECT_FALSE(holds(vocabulary, "q"));
}

TEST_F(IngestTest, KeepsDistinctNormalisedQueries) {
  how.data.columns.query = "query";
  events =
      "split,time,user,document,label,query\n"
      "train,1,u,d1,1,\" Red  FOX!\"\n"
      "train,2,u,d1,0,red fox !\n"
      "train,2,u,d1,0,\n"
      "train,3,v,d1,0,blue\n"
      "train,3,v,d2,0,blue\n"
      "train,3,v,d2,0,\"   \"\n";
  write_inputs();
  SampleStore store = run();
  EXPECT_TRUE(store.schema().has_queries);
  ASSERT_EQ(store.schema().num_queries, 2U);
  EXPECT_EQ(store.query_text(0), "red fox !");
  EXPECT_EQ(store.query_keys()[1], hash_bytes("blue"));
  EXPECT_EQ(items(store.queries()), (std::vector<uint32_t>{0, 0, kNone, 1, 1, kNone}));
  Tokenizer tokenizer = Tokenizer::load(store.vocabulary_path(), true);
  std::vector<int32_t> expected;
  tokenizer.encode("red fox!", 100, expected);
  EXPECT_EQ(items(store.query_tokens()[0]), expected);
  EXPECT_EQ(summary["events"]["without_query"], 2);
  EXPECT_EQ(summary["queries"]["without_a_word"], 1);
  // Without a request column user, query and time make one.
  EXPECT_EQ(store.requests()[3], store.requests()[4]);
  EXPECT_NE(store.requests()[3], store.requests()[5]);
  EXPECT_NE(store.requests()[0], store.requests()[1]);
}

TEST_F(IngestTest, KeepsRequestIdsAndWeights) {
  how.data.columns.request = "request";
  how.data.columns.weight = "weight";
  events =
      "split,time,user,document,label,request,weight\n"
      "train,2,u,d1,1,r/2,0.5\n"
      "train,1,u,d2,true,r/1,0\n";
  write_inputs();
  SampleStore store = run();
  EXPECT_EQ(store.request_name(0), "r/1");
  EXPECT_EQ(store.requests()[1], hash_bytes("r/2"));
  EXPECT_EQ(items(store.weights()), (std::vector<float>{0, 0.5F}));
  EXPECT_EQ(summary["events"]["of_weight_0"], 1);
}

TEST_F(IngestTest, WritesCategoriesAsKeysOfTheirTexts) {
  how.data.feature = {{.column = "document", .of = "document"},
                      {.column = "tags", .of = "document", .separator = " "},
                      {.column = "user", .of = "user"},
                      {.column = "place", .of = "context"}};
  events = "split,time,user,document,label,place\ntrain,1,7,d1,1,\ntrain,2,8,d1,1,top\n";
  write_inputs();
  SampleStore store = run();
  EXPECT_TRUE(store.schema().features[0].is_document_id);
  EXPECT_EQ(items(store.categories(0)[2]), keys({"d3"}));
  EXPECT_EQ(items(store.categories(1)[0]), keys({"a", "b"}));
  EXPECT_EQ(items(store.categories(1)[1]), keys({"b"}));
  EXPECT_TRUE(store.categories(1)[2].empty());
  EXPECT_EQ(items(store.categories(2)[1]), keys({"8"}));
  EXPECT_TRUE(store.categories(3)[0].empty());
  EXPECT_EQ(items(store.categories(3)[1]), keys({"top"}));
  EXPECT_EQ(summary["features"]["document tags"]["missing"], 1);
  EXPECT_EQ(summary["features"]["context place"]["missing"], 1);
}

TEST_F(IngestTest, StandardisesNumbersByTheTrainingSplit) {
  for (const char* column : {"x", "same"})
    how.data.feature.push_back(
        {.column = column, .of = "context", .kind = "number", .transform = "none"});
  how.data.feature.push_back({.column = "price", .of = "document", .kind = "number"});
  events =
      "split,time,user,document,label,x,same\n"
      "train,1,u,d1,1,10,5\ntrain,2,u,d1,1,,5\ntrain,3,u,d2,1,14,5\ntest,4,u,d1,1,20,6\n";
  write_inputs();
  SampleStore store = run();
  EXPECT_EQ(items(store.numbers(0)), (std::vector<float>{-1, 0, 1, 4}));
  EXPECT_EQ(items(store.numbers(1)), (std::vector<float>{0, 0, 0, 1}));
  EXPECT_EQ(items(store.numbers(2)), (std::vector<float>{-1, 1, 0}));
  EXPECT_EQ(store.schema().features[0].scale, (NumberScale{.mean = 12, .deviation = 2}));
  EXPECT_EQ(summary["features"]["context x"]["missing"], 1);
}

TEST_F(IngestTest, ClipsNumbersAtQuantilesOfTheTrainingSplit) {
  how.data.feature = {{.column = "x", .of = "context", .kind = "number", .clip = 0.1}};
  events = "split,time,user,document,label,x\n";
  std::vector<double> values = {1e300, -1e300, 5e-324, -0.0};
  while (values.size() < 21) values.push_back(static_cast<double>(values.size()));
  for (double x : values) events += fmt::format("train,1,u,d1,1,{}\n", x);
  events += "test,2,u,d1,1,1e39\ntest,2,u,d1,1,7\n";
  write_inputs();
  SampleStore store = run();
  const NumberScale& scale = store.schema().features[0].scale;
  EXPECT_EQ(scale.low, 5e-324);  // ranks 2 and 18 of 0 to 20
  EXPECT_EQ(scale.high, 19);
  EXPECT_EQ(store.numbers(0)[21], scale.apply(19));
  EXPECT_EQ(store.numbers(0)[22], scale.apply(7));
  EXPECT_EQ(summary["features"]["context x"]["clipped"], 5);  // 1e300, -1e300, -0.0, 20; 1e39
}

TEST_F(IngestTest, LearnsOnTheDocumentsOfTheTrainingSplitAlone) {
  how.data.feature = {{.column = "price", .of = "document", .kind = "number"}};
  how.data.unknown_documents = "keep";
  write_inputs();
  SampleStore alone = run();
  const StoreSchema before = alone.schema();
  const std::string vocabulary = read_file(alone.vocabulary_path());
  documents += "d4,entirely other words words words,z,1e6\n";
  events += "test,1000000009500,u7,d4,1\nvalid,1000000009501,u8,unheard,1\n";
  write_inputs();
  SampleStore more = run();
  EXPECT_EQ(more.schema().features[0].scale, before.features[0].scale);
  EXPECT_EQ(read_file(more.vocabulary_path()), vocabulary);
  EXPECT_EQ(summary["documents"]["in_training"], 2);
}

TEST_F(IngestTest, CutsSplitsByTimeAndKeepsEventsOfOneTimeTogether) {
  how.data.columns.split.clear();
  how.data.split = {.valid = 0.2, .test = 0.2};
  events = "time,user,document,label\n";
  for (int time : {9, 8, 8, 8, 5, 4, 3, 2, 1, 0}) events += fmt::format("{},u,d1,1\n", time);
  write_inputs();
  SampleStore store = run();
  EXPECT_EQ(store.schema().split("train").end, 6U);
  EXPECT_EQ(store.schema().split("valid").end, 9U);  // the three of time 8
  EXPECT_EQ(store.schema().split("test").end, 10U);
  EXPECT_EQ(items(store.rows()), (std::vector<uint64_t>{9, 8, 7, 6, 5, 4, 1, 2, 3, 0}));
}

TEST_F(IngestTest, PutsEverythingIntoTrainingWithoutShares) {
  how.data.columns.split.clear();
  how.data.split = {.valid = 0, .test = 0};
  write_inputs();
  EXPECT_EQ(run().schema().split("train").end, 6U);
  EXPECT_TRUE(holds(summary["notes"].dump(), "no event in split 'valid'"));
}

TEST_F(IngestTest, OrdersOtherSplitsByNameAfterTest) {
  events =
      "split,time,user,document,label\nz,1,u,d1,1\ntest,1,u,d1,1\nlater,1,u,d1,1\ntrain,1,u,d1,1\n";
  write_inputs();
  SampleStore store = run();
  std::vector<std::string> names;
  for (const auto& split : store.schema().splits) names.push_back(split.name);
  EXPECT_EQ(names, (std::vector<std::string>{"train", "test", "later", "z"}));
}

TEST_F(IngestTest, KeepsUnknownDocumentsWithoutContentIfTold) {
  how.data.unknown_documents = "keep";
  how.data.feature = {{.column = "document", .of = "document"},
                      {.column = "tags", .of = "document"},
                      {.column = "price", .of = "document", .kind = "number"}};
  events += "train,999,u1,new,1\ntrain,1000,u9,new,1\n";
  write_inputs();
  SampleStore store = run();
  ASSERT_EQ(store.schema().num_documents, 4U);
  EXPECT_EQ(store.document_id(3), "new");
  EXPECT_TRUE(store.document_tokens(3, 0).empty());
  EXPECT_EQ(items(store.categories(0)[3]), keys({"new"}));
  EXPECT_TRUE(store.categories(1)[3].empty());
  EXPECT_EQ(store.numbers(2)[3], 0);
  EXPECT_EQ(store.document_first_seen()[3], 999);
  EXPECT_EQ(summary["documents"]["unknown"], 1);
  EXPECT_EQ(summary["events"]["of_unknown_documents"], 2);
}

TEST_F(IngestTest, CountsWhatItRead) {
  write_inputs();
  run();
  EXPECT_EQ(summary["documents"]["rows"], 3);
  EXPECT_EQ(summary["events"]["rows"], 6);
  EXPECT_EQ(summary["users"], 2);
  EXPECT_EQ(summary["events"]["splits"]["train"]["rows"], 3);
  EXPECT_EQ(summary["events"]["splits"]["test"]["label_rate"]["label"], 0.5);
  EXPECT_TRUE(summary["seconds"].contains("events"));
  EXPECT_EQ(SampleStore(how.store).manifest()["summary"], summary);
}

TEST_F(IngestTest, LeavesNoTemporaryFilesAndReplacesAnOlderStore) {
  write_inputs();
  run();
  events += "test,1000000009001,u3,d3,1\n";
  write_inputs();
  EXPECT_EQ(run().schema().num_events, 7U);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    EXPECT_FALSE(holds(entry.path().string(), ".tmp")) << entry.path();
  for (const auto& entry : std::filesystem::directory_iterator(how.store))
    EXPECT_FALSE(holds(entry.path().string(), ".tmp") || holds(entry.path().string(), "duckdb"));
}

TEST_F(IngestTest, GivesTheSameStoreForAnyNumberOfThreads) {
  how.data.feature = {{.column = "document", .of = "document"}, {.column = "user", .of = "user"}};
  how.data.counter = {{.by = {"user"}}};
  how.data.history = {{.name = "all"}};
  how.data.columns.query = "query";
  how.data.columns.split.clear();
  write_table("documents.csv",
              "SELECT i AS document, 'word' || (i % 97) || ' x' || i AS title FROM range(3000) "
              "t(i)");
  write_table("events.csv",
              "SELECT hash(i) % 5000 AS time, hash(i, 1) % 50 AS user, hash(i, 2) % 3000 AS "
              "document, i % 2 AS label, 'word' || hash(i, 3) % 2500 AS query FROM range(20000) "
              "t(i)");
  auto files = [&](int64_t threads) {
    how.threads = threads;
    how.store = folder.path() / fmt::format("store{}", threads);
    run();
    auto manifest = open_folder(how.store);
    return manifest["files"];
  };
  auto one = files(1);
  EXPECT_GT(one.size(), 20U);
  EXPECT_EQ(one, files(3));
}

TEST_F(IngestTest, CountsTheQueryChangesOfALog) {
  how.data.queries = "queries.csv";
  write_inputs();
  write("queries.csv",
        "time,user,query\n"
        "1000000600000,u1,Red  SHOES\n"
        "1000000000000,u1,shoes\n"
        "1000000060000,u2,weather\n"
        "1000000000000,u2,\" \"\n"
        "1000000660000,u1,Weather\n");
  run();
  const auto& log = summary["query_log"];
  EXPECT_EQ(log["rows"], 5);
  EXPECT_EQ(log["without_a_word"], 1);
  EXPECT_EQ(log["distinct"], 4);
  EXPECT_EQ(log["reformulated"], 1) << "shoes";
  EXPECT_EQ(log["change_rate"], 0.25);
  how.data.session_minutes = 9;
  how.store = folder.path() / "second";
  run();
  EXPECT_EQ(summary["query_log"]["reformulated"], 0);
}

TEST_F(IngestTest, NamesTheRowOfAQueryLogThatHasNoTime) {
  how.data.queries = "queries.csv";
  write_inputs();
  write("queries.csv", "time,user,query\n1000000600000,u1,a\nnever,u1,b\n");
  const std::string error = data_error();
  EXPECT_TRUE(holds(error, "queries.csv: column 'time' holds never at row 1")) << error;
  write("queries.csv", "time,query\n1000000600000,a\n");
  EXPECT_TRUE(holds(invalid_argument(), "'user'"));
}

TEST_F(IngestTest, ReportsItsStages) {
  write_inputs();
  std::vector<std::string> stages;
  how.progress = [&](const std::string& stage, int64_t, int64_t) {
    if (stages.empty() || stages.back() != stage) stages.push_back(stage);
  };
  run();
  ASSERT_GT(stages.size(), 5U);
  EXPECT_EQ(stages[0], "read documents");
}

}  // namespace
}  // namespace lemur
