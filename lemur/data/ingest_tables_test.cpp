// Checks of the input's rows and columns, through ingest().
#include <gtest/gtest.h>

#include <cmath>

#include "lemur/data/ingest_testing.h"

namespace lemur {
namespace {

TEST_F(IngestTest, NamesFileColumnRowAndValueOfABadLabel) {
  events += "train,5,u1,d1,2\n";
  write_inputs();
  EXPECT_EQ(data_error(),
            "[ingest] events.csv: column 'label' holds 2 at row 6 (line 8); expected 0 or 1");
  events += "train,5,u1,d1,\n";
  for (const char* value : {"yes", "0.5", "-1", "nan"}) {
    write_table("e.parquet", std::string("SELECT 'train' AS split, 5 AS time, 'u' AS \"user\", "
                                         "'d1' AS document, '") +
                                 value + "' AS label");
    how.data.events = "e.parquet";
    EXPECT_EQ(data_error(), std::string("[ingest] e.parquet: column 'label' holds ") + value +
                                " at row 0; expected 0 or 1");
  }
}

TEST_F(IngestTest, NamesTheVeryFileOfAGlob) {
  write_inputs();
  write("e1.csv", events);
  write("e2.csv", events + "train,5,u1,d1,\n");
  how.data.events = "e?.csv";
  std::string message = data_error();
  EXPECT_TRUE(
      holds(message, "e2.csv: column 'label' holds NULL at row 6 (line 8); expected 0 or 1"));
}

TEST_F(IngestTest, RefusesMissingIds) {
  for (const char* row : {"train,5,,d1,1\n", "train,5,u1,,1\n"}) {
    write("documents.csv", documents);
    write("events.csv", events + row);
    EXPECT_TRUE(holds(data_error(), "holds NULL at row 6 (line 8); expected an ID"));
  }
  write("documents.csv", documents + ",nameless,,\n");
  write("events.csv", events);
  EXPECT_EQ(data_error(),
            "[ingest] documents.csv: column 'document' holds NULL at row 3 (line 5); expected an "
            "ID: a text or a whole "
            "number");
}

TEST_F(IngestTest, RefusesMissingSplitsAndRequests) {
  write("documents.csv", documents);
  write("events.csv", events + ",5,u1,d1,1\n");
  EXPECT_TRUE(holds(data_error(), "column 'split' holds NULL at row 6"));
  write("events.csv", "split,time,user,document,label,request\ntrain,1,u,d1,1,\n");
  how.data.columns.request = "request";
  EXPECT_TRUE(holds(data_error(), "column 'request' holds NULL at row 0"));
}

TEST_F(IngestTest, RefusesADocumentThatComesTwice) {
  documents += "d2,again,,\n";
  write_inputs();
  EXPECT_EQ(
      data_error(),
      "[ingest] documents.csv: column 'document' holds d2 at row 3 (line 5); row 1 holds it too; "
      "expected one row for each document");
}

TEST_F(IngestTest, RefusesEventsOfUnknownDocuments) {
  events += "train,5,u1,d7,1\ntrain,6,u1,d7,1\n";
  write_inputs();
  std::string message = data_error();
  EXPECT_TRUE(holds(message,
                    "events.csv: column 'document' holds d7 at row 6 (line 8); documents.csv lacks "
                    "this document (2 such rows)"));
}

TEST_F(IngestTest, RefusesNumbersThatAreNotFinite) {
  how.data.feature = {{.column = "x", .of = "context", .kind = "number"}};
  for (const char* value : {"inf", "-Infinity", "12a", "1e999", "1_000", "0x1F", "1,5", "  "}) {
    events = std::string("split,time,user,document,label,x\ntrain,1,u,d1,1,3\ntrain,1,u,d1,1,\"") +
             value + "\"\n";
    write_inputs();
    EXPECT_EQ(data_error(), std::string("[ingest] events.csv: column 'x' holds ") + value +
                                " at row 1 (line 3); expected a finite number");
  }
  how.data.feature = {{.column = "price", .of = "document", .kind = "number"}};
  documents += "d4,,,Infinity\n";
  write_inputs();
  EXPECT_TRUE(holds(data_error(), "documents.csv: column 'price' holds Infinity at row 3"));
}

TEST_F(IngestTest, HoldsOrRefusesNumbersBeyondFloat32) {
  how.data.feature = {{.column = "price", .of = "document", .kind = "number", .transform = "none"}};
  documents += "d4,,,1e300\nd5,,,-1e300\n";
  events += "train,999,u1,d4,1\ntrain,999,u1,d5,1\n";
  write_inputs();
  EXPECT_TRUE(holds(data_error(),
                    "feature 'price' holds numbers too large to standardise; "
                    "transform = \"signed_log\" or \"clip\" holds them"));
  how.data.feature[0].transform = "clip";  // of four documents nothing is cut off
  EXPECT_TRUE(holds(data_error(), "feature 'price' holds numbers too large to standardise"));
  how.data.feature[0].transform = "signed_log";
  SampleStore store = run();
  for (float value : store.numbers(0)) EXPECT_LT(std::abs(value), 2);
}

TEST_F(IngestTest, RefusesBadWeights) {
  how.data.columns.weight = "weight";
  for (const char* value : {"-0.5", "nan", "inf", "x"}) {
    events = std::string("split,time,user,document,label,weight\ntrain,1,u,d1,1,") + value + "\n";
    write_inputs();
    EXPECT_TRUE(
        holds(data_error(), std::string("column 'weight' holds ") + value +
                                " at row 0 (line 2); expected a finite number of at least 0"));
  }
}

TEST_F(IngestTest, NamesTheColumnsThatExistWhenOneIsMissing) {
  write_inputs();
  how.data.columns.user = "usr";
  EXPECT_EQ(invalid_argument(),
            "[ingest] events.csv has no column 'usr'; nearest: 'user'; its columns: split, time, "
            "user, document, label");
  how.data.columns.user = "user";
  how.data.text = {{"titel", 3}};
  EXPECT_TRUE(holds(invalid_argument(), "documents.csv has no column 'titel'; nearest: 'title'"));
  how.data.text.clear();
  how.data.image = {{"poster", 64}};
  EXPECT_TRUE(holds(invalid_argument(), "documents.csv has no column 'poster'"));
  how.data.image.clear();
  how.data.feature = {{.column = "where", .of = "user"}};
  EXPECT_TRUE(holds(invalid_argument(), "events.csv has no column 'where'"));
  how.data.feature = {{.column = "label", .of = "document"}};
  EXPECT_TRUE(holds(invalid_argument(), "documents.csv has no column 'label'"));
  how.data.feature.clear();
  for (std::string ColumnsOptions::*member :
       {&ColumnsOptions::document, &ColumnsOptions::time, &ColumnsOptions::split,
        &ColumnsOptions::request, &ColumnsOptions::query, &ColumnsOptions::weight}) {
    auto before = how.data.columns;
    how.data.columns.*member = "nowhere";
    EXPECT_TRUE(holds(invalid_argument(), "has no column 'nowhere'"));
    how.data.columns = before;
  }
}

TEST_F(IngestTest, RefusesOptionsThatContradictOneAnother) {
  write_inputs();
  how.data.columns.labels = {"label", "label"};
  EXPECT_TRUE(holds(invalid_argument(), "label 'label' is given twice"));
  how.data.columns.labels.clear();
  EXPECT_TRUE(holds(invalid_argument(), "names no label"));
  how.data.columns.labels = {"label"};
  how.data.history = {{.name = "h"}, {.name = "h"}};
  EXPECT_TRUE(holds(invalid_argument(), "history 'h' is given twice"));
  how.data.history.clear();
  how.data.feature = {{.column = "user", .of = "user"}, {.column = "user", .of = "user"}};
  EXPECT_TRUE(holds(invalid_argument(), "feature 'user user' is given twice"));
  how.data.feature.clear();
  how.data.columns.split.clear();
  how.data.split = {.valid = 0.5, .test = 0.5};
  EXPECT_TRUE(holds(invalid_argument(), "data.split leaves nothing for training"));
}

TEST_F(IngestTest, KeepsTheOlderStoreWhenItFails) {
  write_inputs();
  run();
  write("events.csv", events + "train,5,u1,d1,2\n");
  EXPECT_THROW(ingest(how), DataError);
  EXPECT_EQ(SampleStore(how.store, true).schema().num_events, 6U);
}

}  // namespace
}  // namespace lemur
