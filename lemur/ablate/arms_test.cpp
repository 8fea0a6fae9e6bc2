#include "lemur/ablate/arms.h"

#include <gtest/gtest.h>

#include "lemur/base/config.h"
#include "lemur/base/error.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

TEST(Arms, PublishedOnesAreConfigurations) {
  const Arms arms = parse_arms(published_arms(), "configs/arms.toml");
  for (const char* table : {"main", "two-stage", "ablation", "temperature", "sampling", "experts"})
    EXPECT_GT(arms.table(table).rows.size(), 2U) << table;
  for (const Arm& arm : arms.arms) {
    SCOPED_TRACE(arm.name);
    std::vector<std::string> overrides = arm.set;
    if (!arm.start_from.empty()) overrides.push_back("train.start_from=" + arm.start_from);
    EXPECT_NO_THROW(parse_options("", "base.toml", overrides));
    overrides.insert(overrides.end(), arm.without_queries.begin(), arm.without_queries.end());
    EXPECT_NO_THROW(parse_options("", "base.toml", overrides));
  }
}

TEST(Arms, PublishedOnesDifferInWhatTheyAreNamedAfter) {
  const Arms arms = parse_arms(published_arms(), "configs/arms.toml");
  const auto options = [&](const char* name) {
    std::vector<std::string> set = arms.arm(name).set;
    set.emplace_back("train.start_from=x");
    return parse_options("", "base.toml", set);
  };
  const Options bank = options("bank");
  EXPECT_TRUE(bank.bank.enabled && bank.model.content_history && bank.model.similarity);
  EXPECT_FALSE(options("sqdc").bank.enabled);
  EXPECT_TRUE(options("sqdc").model.content);
  EXPECT_FALSE(options("longer").model.content);
  EXPECT_FALSE(options("rankmixer").model.id_history);
  EXPECT_EQ(options("mlp").model.ranker, "mlp");
  EXPECT_EQ(options("p20-q20").bank.backward, 0.2);
  EXPECT_EQ(options("no-long").model.without_content_histories, std::vector<std::string>{"long"});
  EXPECT_EQ(options("two-stage").train.freeze_encoder_steps, -1);
  EXPECT_EQ(options("pretraining").model.task_weights, std::vector<double>{0});
  EXPECT_TRUE(arms.arm("configured").set.empty() && arms.arm("configured").configured_rate);
  EXPECT_TRUE(arms.table("baselines").baselines);
}

TEST(Arms, PublishedOnesKeepTheConfigurationsAlignment) {
  const Arms arms = parse_arms(published_arms(), "configs/arms.toml");
  const auto model = [&](const char* name) {
    return parse_options("[model]\nalignment_weight = 0.3\ntemperature = 12\nnegatives = \"all\"\n",
                         "base.toml", arms.arm(name).set)
        .model;
  };
  for (const char* name : {"sqdc", "bank", "no-similarity", "p20-q20"}) {
    EXPECT_EQ(model(name).alignment_weight, 0.3) << name;
    EXPECT_EQ(model(name).temperature, 12) << name;
    EXPECT_EQ(model(name).negatives, "all") << name;
  }
  for (const char* name : {"mlp", "rankmixer", "longer", "no-sqdc"})
    EXPECT_EQ(model(name).alignment_weight, 0) << name;
  EXPECT_EQ(model("temperature-50").temperature, 50);
  EXPECT_EQ(model("negatives-clicked").negatives, "clicked");
}

constexpr const char* kSmall = R"(
[[arm]]
name = "a"
title = "A"
set = ["train.epochs=1"]
without_queries = ["train.epochs=2"]
[[arm]]
name = "b"
title = "B"
from = "a"
set = ["model.ranker=mlp"]
[[table]]
name = "t"
title = "T"
base = "a"
rows = [{ arm = "a", auc = 0.5 }, { arm = "b", title = "Better", qauc = 1 }]
)";

TEST(Arms, BeginWithTheOverridesOfAnother) {
  const Arms arms = parse_arms(kSmall, "small.toml");
  EXPECT_EQ(arms.arm("b").set, (std::vector<std::string>{"train.epochs=1", "model.ranker=mlp"}));
  EXPECT_TRUE(arms.arm("b").without_queries.empty());
  const AblationTable& table = arms.table("t");
  EXPECT_EQ(table.rows[0].title, "A");
  EXPECT_EQ(table.rows[1].title, "Better");
  EXPECT_EQ(table.rows[1].qauc, 1);
  EXPECT_EQ(table.rows[1].auc, std::nullopt);
}

TEST(Arms, OfATableOfBaselinesNeedNoBase) {
  const Arms arms = parse_arms(std::string(kSmall) +
                                   "[[table]]\nname = \"simple\"\ntitle = \"S\"\nbaselines = "
                                   "true\nrows = [{ arm = \"b\" }]\n",
                               "small.toml");
  EXPECT_TRUE(arms.table("simple").baselines);
  EXPECT_EQ(arms.table("simple").base, "b");
  EXPECT_FALSE(arms.table("t").baselines);
  EXPECT_FALSE(arms.arm("a").configured_rate);
}

TEST(Arms, NameWhatIsWrong) {
  const auto parsed = [](const std::string& more) {
    return [more] { parse_arms(kSmall + more, "small.toml"); };
  };
  const auto refuses = [&](const std::string& more, const std::string& part) {
    expect_error<InvalidArgument>(parsed(more), part);
  };
  refuses("[[arm]]\nname = \"a\"\ntitle = \"again\"\n", "two arms are named 'a'");
  refuses("[[arm]]\nname = \"c\"\ntitle = \"C\"\nfrom = \"x\"\n",
          "there is no arm 'x'; there are: a, b");
  refuses("[[arm]]\nname = \"c\"\n", "an arm has no 'title'");
  refuses("[[arm]]\nname = \"c\"\ntitle = \"C\"\nsets = []\n", "an arm has an unknown key 'sets'");
  refuses("[[table]]\nname = \"u\"\ntitle = \"U\"\nbase = \"b\"\nrows = [{ arm = \"a\" }]\n",
          "the table 'u' has 0 rows of its base 'b'");
  refuses("[[table]]\nname = \"t\"\ntitle = \"U\"\nbase = \"a\"\nrows = [{ arm = \"a\" }]\n",
          "two tables are named 't'");
  refuses(
      "[[table]]\nname = \"u\"\ntitle = \"U\"\nbase = \"a\"\nbaselines = true\n"
      "rows = [{ arm = \"a\" }]\n",
      "the table 'u' has baselines and a base");
  for (const char* name : {"", "..", "../c", "c/d"})
    refuses(std::string("[[arm]]\nname = \"") + name + "\"\ntitle = \"C\"\n",
            std::string("an arm is named '") + name + "'");
  refuses("[[table]]\nname = \"/u\"\ntitle = \"U\"\nbase = \"a\"\nrows = [{ arm = \"a\" }]\n",
          "a table is named '/u'");
  refuses("[[arm]\n", "small.toml line ");
  expect_error<InvalidArgument>([] { parse_arms(kSmall, "small.toml").table("x"); },
                                "there is no table 'x'; there are: t");
}

}  // namespace
}  // namespace lemur
