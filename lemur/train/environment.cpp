#include "lemur/train/environment.h"

#include <ATen/Parallel.h>
#include <torch/version.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "lemur/base/folder.h"
#include "lemur/simd/path.h"

namespace lemur {
namespace {

constexpr const char* kFile = "environment.json";

/// Returns the first "model name" of /proc/cpuinfo; null where there is none.
nlohmann::ordered_json processor_name() {
  std::ifstream lines("/proc/cpuinfo");
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("model name")) continue;
    auto begin = line.find_first_not_of(" \t", line.find(':') + 1);
    if (begin != std::string::npos) return line.substr(begin);
  }
  return nullptr;
}

nlohmann::ordered_json memory_bytes() {
  const int64_t pages = ::sysconf(_SC_PHYS_PAGES), page_bytes = ::sysconf(_SC_PAGE_SIZE);
  if (pages <= 0 || page_bytes <= 0) return nullptr;
  return pages * page_bytes;
}

/// To the millisecond.
double seconds_since_1970() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count()) /
         1e3;
}

}  // namespace

nlohmann::ordered_json describe_environment() {
  return {{"lemur", LEMUR_VERSION},
          {"libtorch", TORCH_VERSION},
          {"processor", processor_name()},
          {"cpu_path", simd::path()},
          {"cores", std::thread::hardware_concurrency()},
          {"threads", at::get_num_threads()},
          {"memory_bytes", memory_bytes()}};
}

bool note_environment(const std::filesystem::path& run, int64_t step) {
  nlohmann::ordered_json entries = nlohmann::ordered_json::array();
  bool readable = true;
  if (std::filesystem::exists(run / kFile)) {
    auto earlier = nlohmann::ordered_json::parse(read_file(run / kFile), nullptr,
                                                 /*allow_exceptions=*/false);
    readable = earlier.is_array();
    if (readable) entries = std::move(earlier);
  }
  nlohmann::ordered_json entry = {{"time", seconds_since_1970()}, {"step", step}};
  entry.update(describe_environment());
  entries.push_back(std::move(entry));
  write_file_atomically(run / kFile, entries.dump(1) + "\n");
  return readable;
}

}  // namespace lemur
