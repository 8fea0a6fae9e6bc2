#include "lemur/http/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <microhttpd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <random>
#include <unordered_set>

#include "lemur/base/error.h"
#include "lemur/http/bearer_token.h"
#include "lemur/http/connection_watch.h"
#include "lemur/http/listen_address.h"

namespace lemur {
namespace {

using Clock = std::chrono::steady_clock;

/// A request from its first line to the end of its answer.
struct Exchange {
  HttpRequest request;
  std::string target;
  WatchedConnection* watched = nullptr;
  Clock::time_point begin = Clock::now();
  bool is_refused = false;  // before its body was read: the connection ends with the answer
  bool is_handled = false;
  int status = 0;
  uint64_t body_bytes = 0, answer_bytes = 0;
  std::string_view route = "none";

  std::mutex mutex;                      // guards what follows
  MHD_Connection* connection = nullptr;  // null once the connection is gone
  bool is_suspended = false;
  std::optional<HttpAnswer> answer;

  void deliver(HttpAnswer whole) {
    std::lock_guard lock(mutex);
    if (answer || connection == nullptr) return;
    answer = std::move(whole);
    if (!is_suspended) return;
    is_suspended = false;
    MHD_resume_connection(connection);
  }
};

using ExchangePointer = std::shared_ptr<Exchange>;

std::string_view header(MHD_Connection* connection, const char* name) {
  const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

int count_headers(MHD_Connection* connection, const char* name) {
  struct Count {
    const char* name;
    int found = 0;
  } count{name};
  MHD_get_connection_values(
      connection, MHD_HEADER_KIND,
      [](void* context, MHD_ValueKind, const char* key, const char*) {
        auto* counted = static_cast<Count*>(context);
        counted->found += strcasecmp(key, counted->name) == 0;
        return MHD_YES;
      },
      &count);
  return count.found;
}

}  // namespace

struct HttpServer::Impl {
  HttpServerOptions options;
  Handler handler;
  ConnectionWatch watch;
  MHD_Daemon* daemon = nullptr;
  uint16_t port = 0;
  std::string id_prefix;
  std::atomic<uint64_t> next_id = 0;
  std::atomic<bool> is_draining = false;

  std::mutex drain_mutex;  // held by drain()
  std::mutex mutex;        // guards under_way
  std::condition_variable none_under_way;
  std::unordered_set<ExchangePointer> under_way;

  Impl(HttpServerOptions given, Handler given_handler);
  void start(const ListenAddress& address);
  ExchangePointer* open(const char* target, MHD_Connection* connection);
  MHD_Result proceed(ExchangePointer& exchange, MHD_Connection* connection, const char* method,
                     const char* data, size_t* data_bytes);
  std::optional<HttpAnswer> read_head(Exchange& exchange, MHD_Connection* connection,
                                      std::string_view method);
  std::optional<HttpAnswer> check_framing(Exchange& exchange, MHD_Connection* connection);
  HttpAnswer too_large(std::string_view id) const {
    return error_answer(413, "too_large",
                        fmt::format("a body has at most {} bytes", options.max_body_bytes), id);
  }
  bool is_permitted(const Exchange& exchange, MHD_Connection* connection) const;
  MHD_Result handle(const ExchangePointer& exchange, MHD_Connection* connection);
  MHD_Result queue(Exchange& exchange, MHD_Connection* connection, HttpAnswer answer);
  void complete(const ExchangePointer& exchange, MHD_Connection* connection);
  void drain(std::chrono::milliseconds limit);
};

HttpServer::Impl::Impl(HttpServerOptions given, Handler given_handler)
    : options(std::move(given)), handler(std::move(given_handler)) {
  const ListenAddress address = parse_listen_address(options.address);
  if (!address.is_loopback && options.token.empty())
    fail<InvalidArgument>("http", "{} is open to other machines: that needs a bearer token",
                          options.address);
  id_prefix = fmt::format("{:08x}", std::random_device()());
  start(address);
}

void HttpServer::Impl::start(const ListenAddress& address) {
  const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                         (address.is_ipv6 ? MHD_USE_IPv6 : 0);
  std::vector<MHD_OptionItem> items = {
      {MHD_OPTION_URI_LOG_CALLBACK,
       reinterpret_cast<intptr_t>(+[](void* self, const char* target, MHD_Connection* connection) {
         return static_cast<void*>(static_cast<Impl*>(self)->open(target, connection));
       }),
       this},
      {MHD_OPTION_NOTIFY_CONNECTION,
       reinterpret_cast<intptr_t>(+[](void* self, MHD_Connection* connection, void** watched,
                                      MHD_ConnectionNotificationCode code) {
         auto* impl = static_cast<Impl*>(self);
         if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
           impl->watch.remove(static_cast<WatchedConnection*>(*watched));
           return;
         }
         const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
         WatchedConnection* added = impl->watch.add(info->connect_fd);
         added->expect_within(impl->options.read_limit);
         *watched = added;
       }),
       this},
      {MHD_OPTION_NOTIFY_COMPLETED,
       reinterpret_cast<intptr_t>(
           +[](void* self, MHD_Connection* connection, void** context, MHD_RequestTerminationCode) {
             auto* exchange = static_cast<ExchangePointer*>(*context);
             if (exchange == nullptr) return;
             static_cast<Impl*>(self)->complete(*exchange, connection);
             delete exchange;
             *context = nullptr;
           }),
       this},
      {MHD_OPTION_CONNECTION_LIMIT, std::max(options.max_connections, options.threads), nullptr},
      {MHD_OPTION_CONNECTION_MEMORY_LIMIT, 32 << 10, nullptr},
      {MHD_OPTION_STRICT_FOR_CLIENT, 1, nullptr},
      {MHD_OPTION_SOCK_ADDR, 0, const_cast<sockaddr_storage*>(&address.socket_address)},
  };
  if (options.threads > 1) items.push_back({MHD_OPTION_THREAD_POOL_SIZE, options.threads, nullptr});
  items.push_back({MHD_OPTION_END, 0, nullptr});
  daemon = MHD_start_daemon(
      flags, 0,
      [](void* self, const sockaddr*, socklen_t) {
        return static_cast<Impl*>(self)->is_draining ? MHD_NO : MHD_YES;
      },
      this,
      [](void* self, MHD_Connection* connection, const char*, const char* method, const char*,
         const char* data, size_t* data_bytes, void** context) {
        auto* exchange = static_cast<ExchangePointer*>(*context);
        return static_cast<Impl*>(self)->proceed(*exchange, connection, method, data, data_bytes);
      },
      this, MHD_OPTION_ARRAY, items.data(), MHD_OPTION_END);
  if (daemon == nullptr)
    fail<DataError>("http", "cannot listen on {}: {}", options.address, std::strerror(errno));
  port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

ExchangePointer* HttpServer::Impl::open(const char* target, MHD_Connection* connection) {
  auto exchange = std::make_shared<Exchange>();
  exchange->target = target;
  exchange->connection = connection;
  exchange->watched = static_cast<WatchedConnection*>(
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context);
  exchange->watched->set_owed(true);
  exchange->watched->expect_within(options.read_limit);
  std::lock_guard lock(mutex);
  under_way.insert(exchange);
  return new ExchangePointer(std::move(exchange));
}

MHD_Result HttpServer::Impl::proceed(ExchangePointer& exchange, MHD_Connection* connection,
                                     const char* method, const char* data, size_t* data_bytes) {
  if (exchange->request.method.empty()) {
    std::optional<HttpAnswer> refusal = read_head(*exchange, connection, method);
    if (!refusal) return MHD_YES;
    exchange->is_refused = true;
    return queue(*exchange, connection, std::move(*refusal));
  }
  if (*data_bytes > 0) {
    std::string& body = exchange->request.body;
    exchange->body_bytes += *data_bytes;
    // Only a chunked body is found to be too large here. MHD takes no answer in the middle of one:
    // a little more is swallowed, and then the connection ends.
    if (exchange->body_bytes > 2 * options.max_body_bytes) return MHD_NO;
    if (exchange->body_bytes > options.max_body_bytes)
      body = std::string();
    else
      body.append(data, *data_bytes);
    *data_bytes = 0;
    return MHD_YES;
  }
  if (exchange->body_bytes > options.max_body_bytes && !exchange->is_handled) {
    exchange->is_refused = true;
    return queue(*exchange, connection, too_large(exchange->request.id));
  }
  if (!exchange->is_handled) return handle(exchange, connection);
  std::unique_lock lock(exchange->mutex);
  HttpAnswer answer = std::move(*exchange->answer);
  lock.unlock();
  return queue(*exchange, connection, std::move(answer));
}

std::optional<HttpAnswer> HttpServer::Impl::read_head(Exchange& exchange,
                                                      MHD_Connection* connection,
                                                      std::string_view method) {
  HttpRequest& request = exchange.request;
  request.method = method;
  const size_t mark = exchange.target.find('?');
  request.path = exchange.target.substr(0, mark);
  if (mark != std::string::npos) request.query = exchange.target.substr(mark + 1);
  request.content_type = header(connection, MHD_HTTP_HEADER_CONTENT_TYPE);
  const std::string_view id = header(connection, "X-Request-Id");
  request.id = !id.empty() && id.size() <= 128 && is_visible_ascii(id)
                   ? std::string(id)
                   : fmt::format("{}-{:x}", id_prefix, next_id++);
  if (is_draining) return error_answer(503, "draining", "the server is about to end", request.id);
  const std::string_view host = header(connection, MHD_HTTP_HEADER_HOST);
  if (options.token.empty() && !host.empty() && !is_local_host(host, options.host_names))
    return error_answer(421, "misdirected", "this server has no such name", request.id);
  if (!is_permitted(exchange, connection)) {
    HttpAnswer answer =
        error_answer(401, "unauthorized", "a valid bearer token is needed", request.id);
    answer.headers.emplace_back("WWW-Authenticate", "Bearer");
    return answer;
  }
  return check_framing(exchange, connection);
}

std::optional<HttpAnswer> HttpServer::Impl::check_framing(Exchange& exchange,
                                                          MHD_Connection* connection) {
  HttpRequest& request = exchange.request;
  const int lengths = count_headers(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
  const int encodings = count_headers(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING);
  // Two ideas of where a body ends are how requests are smuggled past a proxy.
  if (lengths + encodings > 1)
    return error_answer(400, "bad_framing", "the body's length is given more than once",
                        request.id);
  if (count_headers(connection, MHD_HTTP_HEADER_HOST) > 1)
    return error_answer(400, "bad_host", "there is more than one Host", request.id);
  if (lengths + encodings == 0 && request.method == "POST")
    return error_answer(411, "length_required", "Content-Length is missing", request.id);
  if (encodings == 1 &&
      strcasecmp(std::string(header(connection, "Transfer-Encoding")).c_str(), "chunked") != 0)
    return error_answer(400, "bad_framing", "the only transfer encoding here is chunked",
                        request.id);
  const std::string_view coding = header(connection, MHD_HTTP_HEADER_CONTENT_ENCODING);
  if (!coding.empty() && coding != "identity")
    return error_answer(415, "unsupported_encoding", "bodies are not compressed here", request.id);
  if (lengths == 1) {
    const std::string_view text = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos)
      return error_answer(400, "bad_framing", "Content-Length is no number", request.id);
    if (text.size() > 18 || std::stoull(std::string(text)) > options.max_body_bytes)
      return too_large(request.id);
  }
  return std::nullopt;
}

bool HttpServer::Impl::is_permitted(const Exchange& exchange, MHD_Connection* connection) const {
  if (options.token.empty()) return true;
  if (std::count(options.open_paths.begin(), options.open_paths.end(), exchange.request.path) > 0)
    return true;
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view given = header(connection, MHD_HTTP_HEADER_AUTHORIZATION);
  return given.size() > kScheme.size() &&
         strncasecmp(given.data(), kScheme.data(), kScheme.size()) == 0 &&
         tokens_equal(given.substr(kScheme.size()), options.token);
}

MHD_Result HttpServer::Impl::handle(const ExchangePointer& exchange, MHD_Connection* connection) {
  exchange->is_handled = true;
  if (!exchange->watched->let_be()) return MHD_NO;
  HttpRequest request = std::move(exchange->request);
  exchange->request.id = request.id;  // both are logged at the end
  exchange->request.method = request.method;
  {
    const Responder responder(
        request.id, [exchange](HttpAnswer answer) { exchange->deliver(std::move(answer)); });
    try {
      handler(std::move(request), responder);
    } catch (const std::exception&) {
      responder(
          error_answer(500, "internal", "the request could not be handled", exchange->request.id));
    }
  }
  std::unique_lock lock(exchange->mutex);
  if (!exchange->answer) {
    exchange->is_suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
  }
  HttpAnswer answer = std::move(*exchange->answer);
  lock.unlock();
  return queue(*exchange, connection, std::move(answer));
}

MHD_Result HttpServer::Impl::queue(Exchange& exchange, MHD_Connection* connection,
                                   HttpAnswer answer) {
  exchange.watched->set_owed(false);
  if (!exchange.watched->expect_within(options.write_limit)) return MHD_NO;
  exchange.status = answer.status;
  exchange.answer_bytes = exchange.request.method == "HEAD" ? 0 : answer.body.size();
  exchange.route = answer.route;
  auto* body = new std::string(std::move(answer.body));
  MHD_Response* response = MHD_create_response_from_buffer_with_free_callback_cls(
      body->size(), body->data(), [](void* owned) { delete static_cast<std::string*>(owned); },
      body);
  const auto add = [&](const char* name, const std::string& value) {
    MHD_add_response_header(response, name, value.c_str());
  };
  add(MHD_HTTP_HEADER_SERVER, "lemur/" LEMUR_VERSION);
  add(MHD_HTTP_HEADER_CONTENT_TYPE, std::string(answer.content_type));
  add("X-Request-Id", exchange.request.id);
  add("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : answer.headers) add(name.c_str(), value);
  if (is_draining || exchange.is_refused) add(MHD_HTTP_HEADER_CONNECTION, "close");
  const MHD_Result result =
      MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
  MHD_destroy_response(response);
  return result;
}

void HttpServer::Impl::complete(const ExchangePointer& exchange, MHD_Connection* connection) {
  {
    std::lock_guard lock(exchange->mutex);
    exchange->connection = nullptr;
  }
  exchange->watched->set_owed(false);
  exchange->watched->expect_within(options.idle_limit);
  if (options.completed) {
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const std::string remote = address_text(info == nullptr ? nullptr : info->client_addr);
    options.completed(
        {exchange->request.id, exchange->request.method, exchange->target, remote, exchange->route,
         exchange->status, exchange->answer_bytes,
         std::chrono::duration<double, std::milli>(Clock::now() - exchange->begin).count()});
  }
  std::lock_guard lock(mutex);
  under_way.erase(exchange);
  if (under_way.empty()) none_under_way.notify_all();
}

void HttpServer::Impl::drain(std::chrono::milliseconds limit) {
  std::lock_guard only_one(drain_mutex);
  if (daemon == nullptr) return;
  // New connections are closed as they come. MHD_quiesce_daemon would refuse them, but races with
  // the daemon's own threads, which end the process where both take the socket out of epoll.
  is_draining = true;
  const auto is_empty = [this] { return under_way.empty(); };
  std::unique_lock lock(mutex);
  if (!none_under_way.wait_for(lock, limit, is_empty)) {
    const std::unordered_set<ExchangePointer> left = under_way;
    lock.unlock();
    for (const ExchangePointer& exchange : left)
      exchange->deliver(error_answer(503, "draining", "the server ended before the answer", ""));
    lock.lock();
    none_under_way.wait_for(lock, std::chrono::milliseconds(500), is_empty);
  }
  lock.unlock();
  MHD_stop_daemon(daemon);
  daemon = nullptr;
}

HttpServer::HttpServer(HttpServerOptions options, Handler handler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {}

HttpServer::~HttpServer() { drain(std::chrono::milliseconds(0)); }

uint16_t HttpServer::port() const { return impl_->port; }

void HttpServer::drain(std::chrono::milliseconds limit) { impl_->drain(limit); }

}  // namespace lemur
