#include "lemur/http/http_message.h"

#include <atomic>

#include "lemur/http/json_text.h"

namespace lemur {

HttpAnswer error_answer(int status, std::string_view code, std::string_view message,
                        std::string_view request_id, std::string_view field) {
  HttpAnswer answer;
  answer.status = status;
  std::string& body = answer.body;
  body = R"({"error":{"code":)";
  append_json(body, code);
  body += R"(,"message":)";
  append_json(body, message);
  if (!field.empty()) {
    body += R"(,"field":)";
    append_json(body, field);
  }
  body += R"(},"request":)";
  append_json(body, request_id);
  body += "}\n";
  return answer;
}

struct Responder::State {
  std::string request_id;
  std::function<void(HttpAnswer)> send;
  std::atomic<bool> is_used = false;

  ~State() {
    if (!is_used)
      send(error_answer(500, "internal", "the handler ended without an answer", request_id));
  }
};

Responder::Responder(std::string request_id, std::function<void(HttpAnswer)> send)
    : state_(std::make_shared<State>()) {
  state_->request_id = std::move(request_id);
  state_->send = std::move(send);
}

void Responder::operator()(HttpAnswer answer) const {
  if (!state_->is_used.exchange(true)) state_->send(std::move(answer));
}

bool percent_decode(std::string_view text, std::string& decoded) {
  auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  decoded.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high + low == 0) return false;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

}  // namespace lemur
