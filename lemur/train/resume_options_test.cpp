#include "lemur/train/resume_options.h"

#include <gtest/gtest.h>

#include "lemur/base/testing.h"

namespace lemur {
namespace {

using Lines = std::vector<std::string>;

TEST(ChangedOptions, ListsWhatARunGoesOnWith) {
  Options run, now;
  EXPECT_EQ(changed_options(run, now), Lines{});
  now.train.epochs = 7;
  now.train.learning_rate = 0.5;
  now.bank.refresh = "expected";
  now.bank.fill = true;
  EXPECT_EQ(changed_options(run, now),
            (Lines{"bank.refresh: \"oldest\" -> \"expected\"", "bank.fill: false -> true",
                   "train.epochs: 0 -> 7", "train.learning_rate: 0.001 -> 0.5"}));
}

TEST(ChangedOptions, NamesEveryKeyThatCannotChange) {
  Options run, now;
  now.train.epochs = 7;
  now.train.batch_size = 32;
  now.model.token_width = 64;
  now.bank.enabled = false;
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { changed_options(run, now); }),
      "[train] the run was started with model.token_width = 128, not 64; bank.enabled = true, "
      "not false; train.batch_size = 512, not 32: what cannot change in a run that goes on; "
      "another --run starts a new one");
}

TEST(ChangedOptions, LeavesWhatIngestReadsToTheStore) {
  Options run, now;
  now.data.documents = "elsewhere.parquet";
  now.data.text.push_back({.column = "title"});
  now.tokenizer.vocabulary = 77;
  EXPECT_EQ(changed_options(run, now), Lines{});
}

}  // namespace
}  // namespace lemur
