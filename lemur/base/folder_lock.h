// Says who writes a folder: one process at a time.
#pragma once

#include <filesystem>

namespace lemur {

/// Holds `<folder>/lock`, a file with process and host of its holder, until it is destroyed or the
/// process ends, however it ends. Not thread-safe.
class FolderLock {
 public:
  /// Creates the folder where it is missing. Throws DataError of `where`, naming process and host,
  /// where somebody else holds it; with the reason where the folder cannot be written.
  FolderLock(const std::filesystem::path& folder, const char* where);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_;
};

}  // namespace lemur
