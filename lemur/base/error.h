// Exceptions that the whole project throws, and how their messages are made.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace lemur {

/// Base of all errors that the project throws. The message reads "[where] what, values".
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Signals a wrong argument, option or configuration: the caller's fault (exit code 2 of the
/// program).
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

/// Signals input data or files that are wrong, missing or damaged (exit code 1).
class DataError : public Error {
 public:
  using Error::Error;
};

/// Signals a broken invariant of our own code.
class InternalError : public Error {
 public:
  using Error::Error;
};

/// Throws `E` with the message "[where] " + the formatted text.
template <typename E, typename... Args>
[[noreturn]] void fail(const char* where, fmt::format_string<Args...> format, Args&&... args) {
  throw E(fmt::format("[{}] {}", where, fmt::format(format, std::forward<Args>(args)...)));
}

/// Throws InternalError unless `holds`.
inline void ensure(bool holds, const char* where, const char* invariant) {
  if (!holds) fail<InternalError>(where, "broken invariant: {}", invariant);
}

}  // namespace lemur
