#include "lemur/http/infer_json.h"

#include <algorithm>
#include <array>

#include "lemur/http/json_text.h"

namespace lemur {
namespace {

using simdjson::dom::element;

struct InputTensor {
  std::string name, datatype;
  int64_t num_rows = -1;
  std::vector<std::string> data;
  bool has_data = false;
};

InputTensor read_input(element value, const JsonPath& path, const RequestLimits& limits) {
  InputTensor input;
  const auto visit = [&](size_t key, element member, const JsonPath& place) {
    if (key == 0) input.name = read_text(member, place, 256);
    if (key == 1) input.datatype = read_text(member, place, 256);
    if (key == 2)
      read_array(member, place, 1, [&](size_t, element size, const JsonPath& size_place) {
        input.num_rows = read_integer(size, size_place, 0, 1'000'000);
      });
    if (key == 3) {
      input.has_data = true;
      read_array(member, place, limits.max_documents,
                 [&](size_t, element one, const JsonPath& one_place) {
                   input.data.emplace_back(read_text(one, one_place, limits.max_text_bytes));
                 });
    }
    if (key == 4) read_map(member, place, [](auto...) {});
  };
  read_object(value, path, {"name", "datatype", "shape", "data", "parameters"}, visit);
  if (input.datatype != "BYTES") refuse_meaning(path["datatype"], "every input here is BYTES");
  if (!input.has_data) refuse_value(path["data"], "the data are missing");
  if (input.num_rows != static_cast<int64_t>(input.data.size()))
    refuse_value(path["shape"],
                 fmt::format("expected [{}], as many as there are data", input.data.size()));
  return input;
}

void take_input(InputTensor input, const JsonPath& path, RankRequest& request) {
  if (input.name == "documents") {
    if (!request.documents.empty()) refuse_value(path, "the input is there twice");
    for (std::string& id : input.data) {
      if (id.empty() || id.size() > 256) refuse_value(path["data"], "an ID has 1 to 256 bytes");
      request.documents.push_back({std::move(id), {}, {}});
    }
    return;
  }
  if (input.name != "user" && input.name != "query")
    refuse_meaning(path["name"], "the inputs are 'documents', 'user' and 'query'");
  std::string& target = input.name == "user" ? request.user : request.query;
  if (!target.empty()) refuse_value(path, "the input is there twice");
  if (input.data.size() != 1) refuse_meaning(path["shape"], "expected one element");
  target = std::move(input.data.front());
}

/// Appends what describes a tensor, without the end of its object.
void begin_tensor(std::string& out, std::string_view name, int64_t num_rows,
                  std::string_view datatype) {
  out += R"({"name":)";
  append_json(out, name);
  out += fmt::format(R"(,"datatype":"{}","shape":[{}])", datatype, num_rows);
}

std::string_view datatype_of(std::string_view output) {
  return output == "flags" ? "UINT8" : "FP32";
}

}  // namespace

std::vector<std::string> infer_outputs(const RankSchema& schema) {
  std::vector<std::string> names = {"scores"};
  for (size_t i = 1; i < schema.labels.size(); ++i) names.push_back("scores_" + schema.labels[i]);
  names.emplace_back("flags");
  return names;
}

ParsedInfer parse_infer(std::string& body, const RankSchema& schema, const RequestLimits& limits,
                        int64_t now_ms) {
  const element root = parse_json(body);
  ParsedInfer infer;
  infer.request.time_ms = now_ms;
  infer.request.deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(limits.default_deadline_ms);
  const std::vector<std::string> known = infer_outputs(schema);
  const JsonPath path;
  const auto visit = [&](size_t key, element value, const JsonPath& place) {
    if (key == 0) infer.id = read_text(value, place, 256);
    if (key == 1)
      read_array(value, place, 3, [&](size_t, element one, const JsonPath& one_place) {
        take_input(read_input(one, one_place, limits), one_place, infer.request);
      });
    if (key == 2)
      read_array(value, place, known.size(), [&](size_t, element one, const JsonPath& one_place) {
        read_object(one, one_place, {"name", "parameters"},
                    [&](size_t part, element member, const JsonPath& member_place) {
                      if (part == 1) return read_map(member, member_place, [](auto...) {});
                      infer.outputs.emplace_back(read_text(member, member_place, 256));
                      check_name(infer.outputs.back(), member_place, "output", known);
                    });
      });
    if (key == 3) read_map(value, place, [](auto...) {});
  };
  read_object(root, path, {"id", "inputs", "outputs", "parameters"}, visit);
  if (infer.request.documents.empty())
    refuse_meaning(path["inputs"], "the input 'documents' is missing or empty");
  return infer;
}

std::string infer_answer_json(const RankAnswer& answer, const ParsedInfer& infer,
                              const RankSchema& schema, std::string_view model_name) {
  std::string out = R"({"model_name":)";
  append_json(out, model_name);
  out += R"(,"model_version":)";
  append_json(out, answer.model_version);
  if (!infer.id.empty()) {
    out += R"(,"id":)";
    append_json(out, infer.id);
  }
  const std::vector<std::string> names = infer_outputs(schema);
  std::vector<size_t> chosen;
  for (size_t output = 0; output < names.size(); ++output)
    if (infer.outputs.empty() || std::ranges::count(infer.outputs, names[output]) > 0)
      chosen.push_back(output);
  out += R"(,"outputs":)";
  append_list(out, chosen, [&](size_t output) {
    begin_tensor(out, names[output], std::ssize(answer.documents), datatype_of(names[output]));
    out += R"(,"data":)";
    append_list(out, answer.documents, [&](const RankedDocument& document) {
      if (output + 1 == names.size())
        append_json(out, static_cast<int64_t>(document.flags));
      else
        append_json(out, document.scores.at(output));
    });
    out += '}';
  });
  return out + "}\n";
}

std::string model_metadata_json(const RankSchema& schema, std::string_view name,
                                std::string_view version) {
  std::string out = R"({"name":)";
  append_json(out, name);
  out += R"(,"versions":[)";
  append_json(out, version);
  out += R"(],"platform":"lemur","inputs":)";
  append_list(out, std::array{"documents", "user", "query"}, [&](std::string_view input) {
    begin_tensor(out, input, input == "documents" ? -1 : 1, "BYTES");
    out += '}';
  });
  out += R"(,"outputs":)";
  append_list(out, infer_outputs(schema), [&](const std::string& output) {
    begin_tensor(out, output, -1, datatype_of(output));
    out += '}';
  });
  return out + "}\n";
}

}  // namespace lemur
