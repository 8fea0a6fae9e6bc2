#include "lemur/http/page_routes.h"

#include <algorithm>
#include <charconv>

#include "lemur/http/json_reader.h"
#include "lemur/http/json_text.h"

namespace lemur {

extern const std::string_view kServePage;  // made of web/index.html

namespace {

void append_texts(std::string& out, const std::vector<std::string>& texts) {
  append_list(out, texts, [&](const std::string& text) { append_json(out, text); });
}

/// The policy that the page names itself, with what only a header may say.
std::string page_policy() {
  constexpr std::string_view kBegin = "content=\"default-src";
  const size_t begin = kServePage.find(kBegin) + std::string_view("content=\"").size();
  const size_t end = kServePage.find('"', begin);
  return std::string(kServePage.substr(begin, end - begin)) + "; frame-ancestors 'none'";
}

}  // namespace

std::vector<std::string> read_parameters(std::string_view query,
                                         std::initializer_list<std::string_view> known) {
  std::vector<std::string> values(known.size());
  std::vector<bool> is_given(known.size());
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    const size_t equals = part.find('=');
    const std::string name(part.substr(0, equals));
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end())
      throw RequestError(400, "malformed", "there is no parameter of that name",
                         name.substr(0, 64));
    const auto index = static_cast<size_t>(found - known.begin());
    if (is_given[index]) throw RequestError(400, "malformed", "the parameter is there twice", name);
    is_given[index] = true;
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    if (!percent_decode(value, values[index]) || !is_utf8(values[index]))
      throw RequestError(400, "malformed", "the value is no percent-encoded UTF-8", name);
  }
  return values;
}

size_t read_count(std::string_view name, std::string_view text, size_t usual, size_t most) {
  if (text.empty()) return usual;
  size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > most)
    throw RequestError(400, "malformed", fmt::format("expected a number from 1 to {}", most),
                       std::string(name));
  return count;
}

std::string history_json(const std::vector<HistoryItem>& items) {
  std::string out = R"({"actions":)";
  append_list(out, items, [&](const HistoryItem& item) {
    out += R"({"document":)";
    if (item.document.empty())
      out += "null";
    else
      append_json(out, item.document);
    out += R"(,"title":)";
    append_json(out, item.title);
    out += R"(,"time_ms":)";
    append_json(out, item.time_ms);
    out += R"(,"action":)";
    append_json(out, item.action);
    out += '}';
  });
  return out + "}\n";
}

std::string examples_json(const RankExamples& examples) {
  std::string out = R"({"users":)";
  append_texts(out, examples.users);
  out += R"(,"queries":)";
  append_texts(out, examples.queries);
  out += R"(,"documents":)";
  append_texts(out, examples.documents);
  return out + "}\n";
}

std::string status_json(const BackendStatus& status, const RankSchema& schema) {
  std::string out = R"({"model":{"name":)";
  append_json(out, status.model_name);
  out += R"(,"version":)";
  append_json(out, status.model_version);
  out += fmt::format(R"(}},"ready":{},"loaded_at_ms":{},"load_failures":{},"last_load_error":)",
                     status.is_ready, status.loaded_at_ms, status.load_failures);
  append_json(out, status.last_load_error);
  out += fmt::format(R"(,"queue":{},"bank":{{"rows":{},"coverage":)", status.queue_depth,
                     status.bank_rows);
  append_json(out, status.bank_coverage);
  out += R"(},"staleness_seconds":)";
  append_json(out, status.staleness_seconds);
  out += R"(,"labels":)";
  append_texts(out, schema.labels);
  out += R"(,"histories":)";
  append_list(out, schema.histories,
              [&](const RankSchema::History& history) { append_json(out, history.name); });
  out += R"(,"missing_at_serving":)";
  append_list(out, schema.missing_at_serving, [&](const RankSchema::Missing& missing) {
    out += R"({"kind":)";
    append_json(out, missing.kind);
    out += R"(,"name":)";
    append_json(out, missing.name);
    out += R"(,"column":)";
    append_json(out, missing.column);
    out += '}';
  });
  return out + "}\n";
}

HttpAnswer page_answer() {
  HttpAnswer answer;
  answer.body = kServePage;
  answer.content_type = "text/html; charset=utf-8";
  answer.headers = {{"Content-Security-Policy", page_policy()},
                    {"Referrer-Policy", "no-referrer"},
                    {"Cache-Control", "no-cache"}};
  return answer;
}

}  // namespace lemur
