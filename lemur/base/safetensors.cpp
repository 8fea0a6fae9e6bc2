#include "lemur/base/safetensors.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "lemur/base/error.h"

namespace lemur {
namespace {

using nlohmann::json;

constexpr const char* kMetadata = "__metadata__";
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the official library's limit
constexpr uint64_t kAlignment = 8;

/// Returns the bytes of one number, 0 for an unknown type.
uint64_t item_bytes(const std::string& dtype) {
  static const std::map<std::string, uint64_t> kBytes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1},
      {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},
      {"I32", 4},  {"F32", 4}, {"U64", 8}, {"I64", 8},     {"F64", 8}};
  auto entry = kBytes.find(dtype);
  return entry == kBytes.end() ? 0 : entry->second;
}

/// Returns the bytes of a tensor, nothing if the shape is negative or too large.
std::optional<uint64_t> tensor_bytes(const TensorEntry& tensor) {
  uint64_t bytes = item_bytes(tensor.dtype);
  for (int64_t size : tensor.shape)
    if (size < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes))
      return std::nullopt;
  return bytes;
}

/// Returns what is wrong with a tensor's type and size, nothing if all is well.
std::optional<std::string> find_fault(const TensorEntry& tensor) {
  if (item_bytes(tensor.dtype) == 0) return fmt::format("has unknown type '{}'", tensor.dtype);
  auto expected = tensor_bytes(tensor);
  if (!expected || *expected != tensor.data.size())
    return fmt::format("has {} bytes, which do not fit {} [{}]", tensor.data.size(), tensor.dtype,
                       fmt::join(tensor.shape, ", "));
  return std::nullopt;
}

using Placed = std::pair<const std::string, TensorEntry>;

/// Returns the header, padded, for the tensors in the order of the file.
std::string make_header(const std::vector<const Placed*>& order,
                        const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  uint64_t offset = 0;
  for (const Placed* placed : order) {
    const auto& [name, tensor] = *placed;
    header[name] = {{"dtype", tensor.dtype},
                    {"shape", tensor.shape},
                    {"data_offsets", {offset, offset + tensor.data.size()}}};
    offset += tensor.data.size();
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception& error) {
    fail<InvalidArgument>("safetensors", "a name or metadata is no UTF-8: {}", error.what());
  }
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

/// Returns the JSON text of the header and leaves the tensors' bytes in `rest`.
std::string_view cut_header(const std::string& file, std::string_view& rest) {
  uint64_t size = 0;
  if (rest.size() < sizeof(size))
    fail<DataError>("safetensors", "{} has {} bytes: too short", file, rest.size());
  std::memcpy(&size, rest.data(), sizeof(size));
  rest.remove_prefix(sizeof(size));
  if (size > std::min<uint64_t>(rest.size(), kMaxHeaderBytes))
    fail<DataError>("safetensors", "{}: the header claims {} bytes, but {} follow", file, size,
                    rest.size());
  std::string_view header = rest.substr(0, size);
  rest.remove_prefix(size);
  return header;
}

/// Returns an array of natural numbers.
std::vector<uint64_t> read_numbers(const json& values) {
  auto is_number = [](const json& value) { return value.is_number_unsigned(); };
  if (!values.is_array() || !std::all_of(values.begin(), values.end(), is_number))
    throw json::other_error::create(500, values.dump() + " is no list of natural numbers", &values);
  return values.get<std::vector<uint64_t>>();
}

TensorEntry read_entry(const std::string& file, const std::string& name, const json& description,
                       std::string_view data) {
  TensorEntry entry{description.at("dtype").get<std::string>(), {}, {}};
  for (uint64_t size : read_numbers(description.at("shape")))
    entry.shape.push_back(static_cast<int64_t>(size));
  auto offsets = read_numbers(description.at("data_offsets"));
  if (offsets.size() != 2)
    fail<DataError>("safetensors", "{}: tensor '{}' has {} data_offsets; expected 2", file, name,
                    offsets.size());
  const uint64_t begin = offsets[0], end = offsets[1];
  if (begin > end || end > data.size())
    fail<DataError>("safetensors", "{}: tensor '{}' lies at bytes {} to {} of {}", file, name,
                    begin, end, data.size());
  entry.data = data.substr(begin, end - begin);
  if (auto fault = find_fault(entry))
    fail<DataError>("safetensors", "{}: tensor '{}' {}", file, name, *fault);
  return entry;
}

/// Throws unless the tensors fill `data` one after the other.
void check_layout(const std::string& file, const std::map<std::string, TensorEntry>& entries,
                  std::string_view data) {
  std::vector<const Placed*> order;
  for (const auto& entry : entries) order.push_back(&entry);
  auto extent = [](const Placed* placed) {
    return std::pair(placed->second.data.data(), placed->second.data.size());
  };
  std::sort(order.begin(), order.end(),
            [&](const Placed* a, const Placed* b) { return extent(a) < extent(b); });
  const char* end = data.data();
  for (const Placed* placed : order) {
    const char* begin = placed->second.data.data();
    if (begin != end)
      fail<DataError>("safetensors", "{}: tensor '{}' begins at byte {}; expected {}", file,
                      placed->first, begin - data.data(), end - data.data());
    end += placed->second.data.size();
  }
  if (end != data.data() + data.size())
    fail<DataError>("safetensors", "{}: {} bytes follow the last tensor", file,
                    data.data() + data.size() - end);
}

}  // namespace

void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, TensorEntry>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const Placed*> order;
  for (const auto& placed : tensors) {
    if (placed.first == kMetadata)
      fail<InvalidArgument>("safetensors", "no tensor can be named '{}'", kMetadata);
    if (auto fault = find_fault(placed.second))
      fail<InvalidArgument>("safetensors", "tensor '{}' {}", placed.first, *fault);
    order.push_back(&placed);
  }
  std::stable_sort(order.begin(), order.end(), [](const Placed* a, const Placed* b) {
    return item_bytes(a->second.dtype) > item_bytes(b->second.dtype);
  });
  std::string header = make_header(order, metadata);
  uint64_t header_bytes = header.size();
  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(&header_bytes), sizeof(header_bytes));
  out.write(header.data(), static_cast<std::streamsize>(header.size()));
  for (const Placed* placed : order)
    out.write(placed->second.data.data(), static_cast<std::streamsize>(placed->second.data.size()));
  out.close();
  if (!out) fail_write(path);
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  const std::string name = path.string();
  std::string_view data = file_.bytes();
  std::string_view header = cut_header(name, data);
  std::string tensor = "the header";
  try {
    json parsed = json::parse(header);
    if (!parsed.is_object())
      fail<DataError>("safetensors", "{}: the header is no JSON object", name);
    for (const auto& [key, description] : parsed.items()) {
      tensor = fmt::format("tensor '{}'", key);
      if (key == kMetadata)
        metadata_ = description.get<std::map<std::string, std::string>>();
      else
        entries_.emplace(key, read_entry(name, key, description, data));
    }
  } catch (const json::exception& error) {
    fail<DataError>("safetensors", "{}: {} is malformed: {}", name, tensor, error.what());
  }
  check_layout(name, entries_, data);
}

}  // namespace lemur
