// What tests of any room share.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <string>

#include "lemur/base/error.h"

namespace lemur {

/// A folder of its own in the system's temporary folder, removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "lemur-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) fail<DataError>("test", "cannot create {}", name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Returns the message of the E that `action` throws; empty where it throws none.
template <typename E>
std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

/// Expects that `action` throws an E whose message contains `part`.
template <typename E>
void expect_error(const std::function<void()>& action, const std::string& part) {
  std::string message = message_of<E>(action);
  EXPECT_NE(message.find(part), std::string::npos) << "'" << message << "' lacks: " << part;
}

}  // namespace lemur
