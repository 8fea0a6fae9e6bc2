// Tensors on disk in the safetensors format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/base/folder.h"

namespace lemur {

/// One tensor, row-major, little-endian; the bytes belong to somebody else.
struct TensorEntry {
  std::string dtype;  ///< BOOL, U8, I8, F8_E4M3, F8_E5M2, U16, I16, F16, BF16, U32, I32, F32, U64,
                      ///< I64 or F64
  std::vector<int64_t> shape;  ///< empty: a single number
  std::string_view data;
};

/// Writes the tensors and the metadata, in an order that keeps every tensor aligned to its type.
/// Neither atomic nor synced: FolderWriter is there for that. Throws InvalidArgument when dtype,
/// shape and bytes of a tensor disagree or a name cannot be stored, DataError when the file cannot
/// be written.
void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, TensorEntry>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

/// A safetensors file, mapped into memory; the entries' bytes live as long as the object, and need
/// not be aligned. Movable.
class SafetensorsFile {
 public:
  /// Throws DataError, naming the file and the tensor, unless the header is well-formed and the
  /// tensors fill the file exactly, without overlaps and gaps.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::map<std::string, TensorEntry>& entries() const { return entries_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  MappedFile file_;
  std::map<std::string, TensorEntry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace lemur
