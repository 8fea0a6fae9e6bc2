#include "lemur/http/rank_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "lemur/http/fake_backend.h"
#include "lemur/http/feedback_json.h"
#include "lemur/http/infer_json.h"
#include "lemur/http/json_text.h"

namespace lemur {
namespace {

constexpr int64_t kNow = 1'700'000'000'000;

RankSchema schema() { return FakeBackend().schema(); }

ParsedRank parse(std::string body, const RequestLimits& limits = {}) {
  return parse_rank(body, schema(), limits, "the-id", kNow);
}

/// Expects that parsing fails with the status, at the field, and with a message that has the part.
void refuse(const std::string& body, int status, const std::string& field,
            const std::string& part = "") {
  try {
    parse(body);
    ADD_FAILURE() << "accepted: " << body;
  } catch (const RequestError& error) {
    EXPECT_EQ(error.status, status) << body;
    EXPECT_EQ(error.field, field) << body;
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(RankJson, ReadsEveryKey) {
  const ParsedRank parsed = parse(R"json({
      "user": 42, "query": "text", "request": "r", "time_ms": 978300000000,
      "features": {"hour": 12, "age": 3.5},
      "documents": ["1", 2, 18446744073709551615, {"id": -9, "texts": {"title": "T"},
                    "features": {"genres": ["a", 7], "price": 3, "rate(user)": 0.25}}],
      "history": {"long": [{"document": "5", "time_ms": 978200000001, "action": "like"},
                           {"document": 6, "time_ms": 978200000002}]},
      "deadline_ms": 50, "top": 10, "explain": true})json");
  const RankRequest& request = parsed.request;
  EXPECT_EQ(request.user, "42");
  EXPECT_EQ(request.query, "text");
  EXPECT_EQ(request.id, "r");
  EXPECT_EQ(request.time_ms, 978300000000);
  EXPECT_EQ(request.features.at("hour").categories, (std::vector<std::string>{"12"}));
  EXPECT_EQ(request.features.at("age").number, 3.5);
  ASSERT_EQ(request.documents.size(), 4u);
  EXPECT_EQ(request.documents[1].document, "2");
  EXPECT_EQ(request.documents[2].document, "18446744073709551615");
  EXPECT_EQ(request.documents[3].document, "-9");
  EXPECT_EQ(request.documents[3].texts.at("title"), "T");
  EXPECT_EQ(request.documents[3].features.at("genres").categories,
            (std::vector<std::string>{"a", "7"}));
  EXPECT_EQ(request.documents[3].features.at("price").number, 3);
  ASSERT_EQ(request.histories.at("long").size(), 2u);
  EXPECT_EQ(request.histories.at("long")[0].action, "like");
  EXPECT_EQ(request.histories.at("long")[1].document, "6");
  EXPECT_EQ(parsed.top, 10u);
  EXPECT_TRUE(request.explain);
  EXPECT_LE(*request.deadline, std::chrono::steady_clock::now() + std::chrono::milliseconds(50));
}

TEST(RankJson, NeedsDocumentsOnly) {
  const ParsedRank parsed = parse(R"({"documents": [1]})");
  EXPECT_EQ(parsed.request.id, "the-id");
  EXPECT_EQ(parsed.request.time_ms, kNow);
  EXPECT_EQ(parsed.request.user, "");
  EXPECT_TRUE(parsed.request.histories.empty());
}

TEST(RankJson, NamesTheFieldOfWhatIsMalformed) {
  refuse("", 400, "", "the body is no JSON");
  refuse("{", 400, "");
  refuse("[]", 400, "", "expected an object, found an array");
  refuse("{} {}", 400, "");
  refuse("{}", 400, "documents", "missing");
  refuse(R"({"documents": 1})", 400, "documents", "expected an array, found a number");
  refuse(R"({"documents": [1, 2.5]})", 400, "documents[1]",
         "a string or a whole number; found 2.5");
  refuse(R"({"documents": [1e16]})", 400, "documents[0]");
  refuse(R"({"documents": [null]})", 400, "documents[0]", "found null");
  refuse(R"({"documents": [""]})", 400, "documents[0]", "not empty");
  refuse(R"({"documents": [{}]})", 400, "documents[0].id", "missing");
  refuse(R"({"documents": [{"id": "1", "text": {}}]})", 400, "documents[0].text",
         "the nearest one is 'texts'");
  refuse(R"({"documents": ["1"], "querry": "x"})", 400, "querry", "the nearest one is 'query'");
  refuse(R"({"documents": [1], "documents": [1]})", 400, "documents", "twice");
  refuse(R"({"documents": [1], "features": {"age": 1, "age": 2}})", 400, "features.age", "twice");
  refuse(R"({"documents": [1], "time_ms": 1.5})", 400, "time_ms");
  for (const char* time : {"-1", "0", "978300000", "978300000000000", "20240131", "9e12"})
    refuse(fmt::format(R"({{"documents": [1], "time_ms": {}}})", time), 400, "time_ms");
  refuse(R"({"documents": [1], "history": {"long": [{"document": 1, "time_ms": 978300000}]}})", 400,
         "history.long[0].time_ms", "1970");
  refuse(R"({"documents": [1], "features": {"age": 1e39}})", 400, "features.age", "float32");
  refuse(R"({"documents": [{"id": 1, "features": {"price": -1e300}}]})", 400,
         "documents[0].features.price", "float32");
  refuse(R"({"documents": [1], "time_ms": 1e400})", 400, "");
  refuse(R"({"documents": [1], "time_ms": NaN})", 400, "");
  refuse(R"({"documents": [1], "features": {"age": Infinity}})", 400, "");
  refuse(R"({"documents": [123456789012345678901234567890]})", 400, "");
  refuse(R"({"documents": [1], "top": 0})", 400, "top");
  refuse(R"({"documents": [1], "explain": 1})", 400, "explain");
  refuse("{\"documents\": [\"\xff\"]}", 400, "");
  refuse("{\"documents\": [\"\\ud800\"]}", 400, "");
  refuse(R"({"documents": [)" + std::string(20, '[') + std::string(20, ']') + "]}", 400, "",
         "deeper than 16");
  refuse(R"({"documents": [")" + std::string(257, 'x') + "\"]}", 400, "documents[0]");
  refuse(R"({"documents": [1], "history": {"long": [{"document": 1}]}})", 400,
         "history.long[0].time_ms", "missing");
}

TEST(RankJson, NamesTheFieldOfWhatTheModelLacks) {
  refuse(R"({"documents": [1], "features": {"hours": "1"}})", 422, "features.hours",
         "the nearest one is 'hour'");
  refuse(R"({"documents": [1], "features": {"price": 1}})", 422, "features.price", "'document'");
  refuse(R"({"documents": [{"id": 1, "features": {"hour": 1}}]})", 422,
         "documents[0].features.hour", "belongs to the request");
  refuse(R"({"documents": [1], "features": {"age": "old"}})", 422, "features.age", "is a number");
  refuse(R"({"documents": [1], "features": {"hour": 1.5}})", 400, "features.hour", "found 1.5");
  refuse(R"({"documents": [{"id": 1, "texts": {"titel": ""}}]})", 422, "documents[0].texts.titel",
         "'title'");
  refuse(R"({"documents": [1], "history": {"short": []}})", 422, "history.short", "'long'");
  refuse(
      R"({"documents": [1], "history": {"long": [{"document": 1, "time_ms": 978300000000, "action": "x"}]}})",
      422, "history.long[0].action");
  refuse(R"({"documents": []})", 422, "documents", "no documents");
}

TEST(RankJson, AWholeNumberIsTheNameOfItsDigits) {
  const ParsedRank parsed = parse(
      R"({"user": 1.0, "documents": [1e3, -0.0, "1.0"], "features": {"hour": [7.0, 7, "7.0"]}})");
  EXPECT_EQ(parsed.request.user, "1");
  EXPECT_EQ(parsed.request.documents[0].document, "1000");
  EXPECT_EQ(parsed.request.documents[1].document, "0");
  EXPECT_EQ(parsed.request.documents[2].document, "1.0");
  EXPECT_EQ(parsed.request.features.at("hour").categories,
            (std::vector<std::string>{"7", "7", "7.0"}));
}

TEST(RankJson, NullIsAMissingValue) {
  const ParsedRank parsed = parse(R"({"documents": [1], "features": {"hour": null, "age": null}})");
  for (const char* name : {"hour", "age"}) {
    EXPECT_TRUE(parsed.request.features.at(name).categories.empty());
    EXPECT_FALSE(parsed.request.features.at(name).number);
  }
}

TEST(RankJson, ACounterIsGivenByRequestOrByDocument) {
  const ParsedRank parsed = parse(R"json({"features": {"rate(user)": 0.5},
      "documents": [{"id": 1, "features": {"rate(user)": 0.25}}]})json");
  EXPECT_EQ(parsed.request.features.at("rate(user)").number, 0.5);
  EXPECT_EQ(parsed.request.documents[0].features.at("rate(user)").number, 0.25);
}

TEST(RankJson, DeclaredTimesMayLieAnywhere) {
  RankSchema declared = schema();
  declared.has_declared_times = true;
  std::string body = R"({"documents": [1], "time_ms": -5})";
  EXPECT_EQ(parse_rank(body, declared, {}, "id", kNow).request.time_ms, -5);
}

TEST(RankJson, HoldsTheLimits) {
  RequestLimits limits;
  limits.max_documents = 2;
  limits.max_history = 1;
  EXPECT_EQ(parse(R"({"documents": [1, 2]})", limits).request.documents.size(), 2u);
  EXPECT_THROW(parse(R"({"documents": [1, 2, 3]})", limits), RequestError);
  EXPECT_THROW(
      parse(R"({"documents": [1], "history": {"long": [{"document": 1, "time_ms": 978300000000},
                {"document": 1, "time_ms": 978300000000}]}})",
            limits),
      RequestError);
}

TEST(RankJson, WritesScoresThatReadBackAsTheSameFloats) {
  RankAnswer answer;
  answer.model_version = "v";
  for (float score : {0.1f, std::nextafter(0.1f, 1.0f), 1e-9f, 1.0f})
    answer.documents.push_back({{score, score}, kUnknownDocument | kEncodedNow, {}});
  answer.order = {3, 1, 0, 2};
  const std::vector<std::string> ids = {"a", "b\"", "c", "d"};
  const auto all =
      nlohmann::json::parse(rank_answer_json(answer, ids, schema(), {"r", "m", 0, 1.5}));
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(all["documents"][i]["id"], ids[i]);
    EXPECT_EQ(all["documents"][i]["score"].get<float>(), answer.documents[i].scores[0]);
    EXPECT_EQ(all["documents"][i]["scores"]["like"].get<float>(), answer.documents[i].scores[1]);
  }
  EXPECT_EQ(all["documents"][1]["rank"], 2);
  EXPECT_EQ(all["documents"][0]["flags"], (nlohmann::json{"unknown_document", "encoded_now"}));
  EXPECT_EQ(all["order"], (nlohmann::json{"d", "b\"", "a", "c"}));
  const auto best =
      nlohmann::json::parse(rank_answer_json(answer, ids, schema(), {"r", "m", 2, 1.5}));
  EXPECT_EQ(best["documents"].size(), 2u);
  EXPECT_EQ(best["documents"][0]["id"], "d");
  EXPECT_EQ(best["order"], (nlohmann::json{"d", "b\""}));
}

TEST(JsonText, EscapesAndReplacesWhatIsNoText) {
  std::string out;
  append_json(out, std::string_view("\"\\\n\0\x7f\xff\xc3\xa9\xed\xa0\x80", 11));
  EXPECT_EQ(
      out,
      "\"\\\"\\\\\\u000a\\u0000\\u007f\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_TRUE(is_utf8("\xf0\x9f\x98\x80"));
  for (const char* wrong : {"\xc0\x80", "\xe0\x80\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"})
    EXPECT_FALSE(is_utf8(wrong));
}

TEST(FeedbackJson, GivesARetryTheSameIds) {
  const std::string body =
      R"({"events": [{"user": 1, "document": 2, "labels": {"click": 1}},
                     {"user": 1, "document": 2, "labels": {"click": 1}},
                     {"user": 1, "document": 3, "action": "like", "id": 7}]})";
  const auto events = [&](const std::string& request, int64_t now) {
    std::string copy = body;
    return parse_feedback(copy, schema(), {}, request, now);
  };
  const auto first = events("r", 5), retry = events("r", 6), other = events("s", 5);
  ASSERT_EQ(first.size(), 3u);
  EXPECT_EQ(first[2].id, "7");
  EXPECT_EQ(first[0].time_ms, 5);
  EXPECT_NE(first[0].id, first[1].id);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(first[i].id, retry[i].id);
    EXPECT_NE(first[i].id, other[i].id);
  }
}

TEST(FeedbackJson, NamesTheEventWhoseTimeIsNone) {
  std::string body = R"({"events": [{"user": 1, "document": 2, "action": "like"},
                                    {"user": 1, "document": 2, "action": "like", "time_ms": 5}]})";
  try {
    parse_feedback(body, schema(), {}, "r", kNow);
    ADD_FAILURE();
  } catch (const RequestError& error) {
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error.field, "events[1].time_ms");
  }
}

TEST(InferJson, ChecksTheTensors) {
  const auto status = [](std::string body) {
    try {
      parse_infer(body, schema(), {}, 1);
      return 200;
    } catch (const RequestError& error) {
      return error.status;
    }
  };
  const auto input = [](const std::string& name, const std::string& rest) {
    return R"({"inputs":[{"name":")" + name + R"(",)" + rest + "}]}";
  };
  EXPECT_EQ(status(input("documents", R"("datatype":"BYTES","shape":[1],"data":["1"])")), 200);
  EXPECT_EQ(status(input("documents", R"("datatype":"BYTES","shape":[2],"data":["1"])")), 400);
  EXPECT_EQ(status(input("documents", R"("datatype":"BYTES","shape":[1],"data":[1])")), 400);
  EXPECT_EQ(status(input("documents", R"("datatype":"BYTES","shape":[1],"data":[""])")), 400);
  EXPECT_EQ(status(input("documents", R"("datatype":"FP32","shape":[1],"data":["1"])")), 422);
  EXPECT_EQ(status(input("documents", R"("datatype":"BYTES","shape":[1])")), 400);
  EXPECT_EQ(status(input("user", R"("datatype":"BYTES","shape":[1],"data":["1"])")), 422);
  EXPECT_EQ(status(input("other", R"("datatype":"BYTES","shape":[1],"data":["1"])")), 422);
}

}  // namespace
}  // namespace lemur
