// Covers of the simulated documents: pictures whose look tells one topic.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "lemur/synth/picture.h"

namespace lemur {

/// How many figures stand where.
enum class Layout : uint8_t { kSingle, kPair, kScattered, kRow };
inline constexpr size_t kLayouts = 4;

/// What the covers of a topic have in common.
struct Look {
  Colour body, trim;
  std::array<Shape, 2> shapes;  ///< each figure has one of them
  Texture texture;
  Layout layout;
  bool operator==(const Look&) const = default;
};

/// Returns a look that no other of the first 896 topics has; from there on looks come again.
Look look_of(uint32_t topic);

struct Cover {
  uint32_t document, topic;
};

/// Draws figures of the topic's look at random places, before a random background and among random
/// figures: about 96 x 128 pixels. The same arguments give the same picture, whatever else is
/// drawn.
Picture draw_cover(uint64_t seed, const Cover& cover);

/// Returns where the cover of a document lies in the world's folder: covers/012/12345.jpg.
std::string cover_path(uint32_t document);

/// Writes the covers as JPEG into the world's folder in `threads` threads (0: one for each core).
/// Files are replaced; others are left alone. Throws DataError when one cannot be written.
void write_covers(const std::filesystem::path& folder, uint64_t seed, std::span<const Cover> covers,
                  int64_t threads);

}  // namespace lemur
