// The bytes of a file from its beginning to its end, unpacked where it is packed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

namespace lemur {

/// Gives bytes in order. Not thread-safe.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Fills `out` and returns the number of bytes: fewer than `size` at the end only. Throws
  /// DataError naming the file for what cannot be read.
  virtual size_t read(char* out, size_t size) = 0;
};

/// Opens a file by its ending: .gz (members of gzip one after another) and .zst (frames of
/// Zstandard) are unpacked, all else is given as it is. read() throws DataError where a packed file
/// ends early, fails its checksum or length, or goes on with something else: what has been read
/// until read() returned 0 is the whole file. Throws DataError for a file that cannot be opened.
std::unique_ptr<ByteSource> open_bytes(const std::filesystem::path& file);

/// Returns the path without the ending of a packed file, .gz or .zst.
std::filesystem::path without_packing(const std::filesystem::path& file);

}  // namespace lemur
