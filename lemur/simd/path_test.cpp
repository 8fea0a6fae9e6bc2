#include "lemur/simd/path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "lemur/base/error.h"

namespace lemur::simd {
namespace {

TEST(Path, IsTheOneThatIsWantedAndThisMachineHas) {
  const std::vector<std::string> available = available_paths();
  ASSERT_FALSE(available.empty());
  const char* wanted = std::getenv("LEMUR_CPU");
  EXPECT_EQ(path(), wanted == nullptr ? available.front() : std::string(wanted));
  EXPECT_EQ(std::count(available.begin(), available.end(), path()), 1);
  EXPECT_EQ(available_paths(), available);  // choosing hides none of them
}

TEST(Path, RefusesWhatThisMachineLacks) {
  EXPECT_EQ(path_for(nullptr), available_paths().front());
  EXPECT_EQ(path_for(""), available_paths().front());
  for (const std::string& name : available_paths()) EXPECT_EQ(path_for(name.c_str()), name);
  for (const char* name : {"avx", "AVX2", "avx512 ", "none"}) try {
      path_for(name);
      ADD_FAILURE() << name;
    } catch (const InvalidArgument& error) {
      EXPECT_EQ(std::string(error.what())
                    .find(fmt::format("[cpu] LEMUR_CPU is '{}'; this machine has: {}", name,
                                      available_paths()[0])),
                0)
          << error.what();
    }
}

TEST(Path, BringsTheLibrariesAlong) {
  for (const auto& [name, value] : library_settings()) EXPECT_FALSE(value.empty()) << name;
  const auto settings = library_settings();
  const bool is_best = path() == available_paths().front();
  EXPECT_EQ(is_best, std::none_of(settings.begin(), settings.end(), [](const auto& setting) {
              return setting.first == "ATEN_CPU_CAPABILITY";
            }));
}

}  // namespace
}  // namespace lemur::simd
