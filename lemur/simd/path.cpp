#include "lemur/simd/path.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstdlib>

#include "lemur/base/error.h"

namespace lemur::simd {
namespace {

/// A set of instructions that the loops are built for.
struct Target {
  const char* name;
  int64_t bit;  // of Highway
};

constexpr Target kTargets[] = {
#if HWY_ARCH_X86
    {"avx512", HWY_AVX3},
    {"avx2", HWY_AVX2},
    {"sse4", HWY_SSE4},
#elif HWY_ARCH_ARM
    {"sve", HWY_SVE},
    {"neon", HWY_NEON | HWY_STATIC_TARGET},
#endif
#if !HWY_ARCH_ARM
    {"portable", HWY_STATIC_TARGET},
#endif
};

bool is_available(const Target& target) {
  return ((hwy::SupportedTargets() | HWY_STATIC_TARGET) & HWY_TARGETS & target.bit) != 0;
}

/// Returns what LEMUR_CPU names, null: not set, of the targets that the processor has.
const Target& target_for(const char* wanted) {
  const std::vector<std::string> available = available_paths();
  const std::string name = wanted == nullptr || *wanted == '\0' ? available.front() : wanted;
  for (const Target& target : kTargets)
    if (name == target.name && std::count(available.begin(), available.end(), name) > 0)
      return target;
  std::string names;
  for (const std::string& each : available) names += (names.empty() ? "" : ", ") + each;
  fail<InvalidArgument>("cpu", "LEMUR_CPU is '{}'; this machine has: {}", name, names);
}

}  // namespace

const std::string& path() {
  static const std::string chosen = [] {
    const Target& target = target_for(std::getenv("LEMUR_CPU"));
    hwy::DisableTargets(~target.bit);  // from now on its dispatch takes this one
    return std::string(target.name);
  }();
  return chosen;
}

std::string path_for(const char* wanted) { return target_for(wanted).name; }

std::vector<std::string> available_paths() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> found;  // before choose() hides some from Highway
    for (const Target& target : kTargets)
      if (is_available(target)) found.emplace_back(target.name);
    return found;
  }();
  return names;
}

std::vector<std::pair<std::string, std::string>> library_settings() {
  const bool is_best = path() == available_paths().front();
  std::vector<std::pair<std::string, std::string>> settings;
  // Releases of OpenBLAS older than the processor fall back to kernels for older ones: without
  // AVX-512, 1.7 times slower.
  if (path() == "avx512") settings.emplace_back("OPENBLAS_CORETYPE", "SkylakeX");
  if (path() == "avx2") settings.emplace_back("OPENBLAS_CORETYPE", "Haswell");
  if (is_best) return settings;  // the libraries know as much
  if (path() == "sse4") settings.emplace_back("OPENBLAS_CORETYPE", "Nehalem");
  if (path() == "portable") settings.emplace_back("OPENBLAS_CORETYPE", "Prescott");
  settings.emplace_back("ATEN_CPU_CAPABILITY", path() == "avx2" ? "avx2" : "default");
  settings.emplace_back("DNNL_MAX_CPU_ISA", path() == "avx2" ? "AVX2" : "SSE41");
  return settings;
}

}  // namespace lemur::simd
