#include "lemur/train/tensorboard.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"

namespace lemur {
namespace {

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0);
    table[i] = crc;
  }
  return table;
}

/// The checksum as TFRecord stores it: rotated and shifted.
uint32_t masked_crc(std::string_view bytes) {
  uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

template <typename T>
void append_fixed(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

/// Protobuf's wire types.
enum Wire : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void append_key(std::string& out, int field, Wire wire) {
  out.push_back(static_cast<char>(field << 3 | wire));
}

void append_bytes(std::string& out, int field, std::string_view bytes) {
  append_key(out, field, kBytes);
  append_varint(out, bytes.size());
  out += bytes;
}

/// Begins a message Event { double wall_time = 1; int64 step = 2; string file_version = 3;
/// Summary summary = 5; }.
std::string begin_event(double wall_time, int64_t step) {
  std::string event;
  append_key(event, 1, kFixed64);
  append_fixed(event, wall_time);
  append_key(event, 2, kVarint);
  append_varint(event, static_cast<uint64_t>(step));
  return event;
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr auto kTable = make_crc_table();
  uint32_t crc = ~0U;
  for (char byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint8_t>(byte)) & 0xff];
  return ~crc;
}

TensorBoardWriter::TensorBoardWriter(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    fail<DataError>("tensorboard", "cannot create {}: {}", folder.string(), error.message());
  const double now = now_seconds();
  char host[256] = "localhost";
  ::gethostname(host, sizeof(host) - 1);
  // TensorBoard reads files in the order of their names.
  std::filesystem::path path;
  for (int number = 0; path.empty() || std::filesystem::exists(path); ++number)
    path = folder / fmt::format("events.out.tfevents.{:010}.{}.{}.{:04}", static_cast<int64_t>(now),
                                host, ::getpid(), number);
  name_ = path.string();
  out_.open(path, std::ios::binary | std::ios::trunc);
  if (!out_) fail<DataError>("tensorboard", "cannot create {}: {}", name_, std::strerror(errno));
  std::string event = begin_event(now, 0);
  append_bytes(event, 3, "brain.Event:2");
  record(event);
  flush();
}

void TensorBoardWriter::scalar(std::string_view tag, double value, int64_t step, double wall_time) {
  // Summary { repeated Value value = 1; }, Value { string tag = 1; float simple_value = 2; }
  std::string point, summary;
  append_bytes(point, 1, tag);
  append_key(point, 2, kFixed32);
  append_fixed(point, static_cast<float>(value));
  append_bytes(summary, 1, point);
  std::string event = begin_event(wall_time, step);
  append_bytes(event, 5, summary);
  record(event);
}

void TensorBoardWriter::record(std::string_view event) {
  std::string length, framed;
  append_fixed(length, static_cast<uint64_t>(event.size()));
  framed = length;
  append_fixed(framed, masked_crc(length));
  framed += event;
  append_fixed(framed, masked_crc(event));
  out_.write(framed.data(), static_cast<std::streamsize>(framed.size()));
  if (!out_) fail_write(name_);
}

void TensorBoardWriter::flush() {
  out_.flush();
  if (!out_) fail_write(name_);
}

}  // namespace lemur
