// What the page at / asks for beside rankings: parameters of a path, and facts as JSON.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/http/http_message.h"
#include "lemur/serving/ranking_backend.h"

namespace lemur {

/// Returns the decoded values of the parameters in `query` ("name=long&limit=5"), in the order of
/// `known`; empty: not given. Throws RequestError 400 for an unknown or repeated parameter and for
/// what is no percent-encoded UTF-8.
std::vector<std::string> read_parameters(std::string_view query,
                                         std::initializer_list<std::string_view> known);

/// Returns a number from 1 to `most`, or `usual` for an empty text. Throws RequestError 400.
size_t read_count(std::string_view name, std::string_view text, size_t usual, size_t most);

std::string history_json(const std::vector<HistoryItem>& items);
std::string examples_json(const RankExamples& examples);
std::string status_json(const BackendStatus& status, const RankSchema& schema);

/// Returns the page, with a policy that lets it run its own script and ask its own server only.
HttpAnswer page_answer();

}  // namespace lemur
