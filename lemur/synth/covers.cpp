#include "lemur/synth/covers.h"

#include <algorithm>
#include <fstream>
#include <thread>
#include <utility>

#include "lemur/base/error.h"
#include "lemur/data/share.h"

namespace lemur {
namespace {

constexpr uint32_t kDocumentsPerFolder = 1000;
constexpr int kJpegQuality = 85;

constexpr std::array<std::pair<int64_t, int64_t>, 3> kSizes = {{{96, 128}, {112, 112}, {128, 96}}};

constexpr std::array<Colour, 12> kHues = {{{210, 30, 35},    // red
                                           {240, 125, 20},   // orange
                                           {245, 225, 50},   // yellow
                                           {165, 215, 45},   // lime
                                           {35, 130, 50},    // green
                                           {60, 215, 190},   // turquoise
                                           {95, 180, 250},   // sky
                                           {35, 55, 200},    // blue
                                           {130, 65, 205},   // violet
                                           {225, 50, 200},   // magenta
                                           {250, 160, 185},  // pink
                                           {120, 70, 30}}};  // brown

struct Arrangement {
  int64_t figures;
  float radius;  // mean, in sides: the shorter one of the picture
};
constexpr std::array<Arrangement, kLayouts> kArrangements = {
    {{1, 0.38f}, {2, 0.27f}, {6, 0.155f}, {4, 0.185f}}};

float between(float low, float high, Random& random) {
  return low + (high - low) * static_cast<float>(random.uniform());
}

/// Returns the i-th of the pairs of different hues.
std::pair<Colour, Colour> hue_pair(uint32_t i) {
  for (uint32_t a = 0; a < kHues.size(); ++a) {
    auto others = static_cast<uint32_t>(kHues.size()) - 1 - a;
    if (i < others) return {kHues[a], kHues[a + 1 + i]};
    i -= others;
  }
  fail<InternalError>("covers", "there is no such pair of hues");
}

Colour any_colour(Random& random) {
  return {between(0, 255, random), between(0, 255, random), between(0, 255, random)};
}

Colour muted_colour(Random& random) {
  float grey = between(30, 225, random);
  return blend({grey, grey, grey}, any_colour(random), 0.4f);
}

/// Returns a colour as another light and another camera show it.
Colour varied(const Colour& colour, Random& random) {
  float light = between(0.8f, 1.1f, random);
  return blend({light * colour.red, light * colour.green, light * colour.blue}, any_colour(random),
               0.1f);
}

float shorter_side(const Picture& picture) {
  return static_cast<float>(std::min(picture.width(), picture.height()));
}

float place(float radius, int64_t side, Random& random) {
  return between(0.7f * radius, static_cast<float>(side) - 0.7f * radius, random);
}

/// Returns a figure that tells nothing.
Figure distraction(const Picture& picture, Random& random) {
  float radius = between(0.06f, 0.14f, random) * shorter_side(picture);
  float x = place(radius, picture.width(), random), y = place(radius, picture.height(), random);
  return {.shape = static_cast<Shape>(random.below(kShapes)),
          .texture = static_cast<Texture>(random.below(kTextures)),
          .body = muted_colour(random),
          .trim = muted_colour(random),
          .x = x,
          .y = y,
          .radius = radius,
          .turn = random_turn(random)};
}

/// Puts the figures in a line across the picture, at even distances.
void line_up(std::vector<Figure>& figures, const Picture& picture, Random& random) {
  bool down = random.chance(0.5);
  float across = place(figures[0].radius, down ? picture.width() : picture.height(), random);
  float step = static_cast<float>(down ? picture.height() : picture.width()) /
               static_cast<float>(figures.size());
  for (size_t i = 0; i < figures.size(); ++i) {
    float along = step * (static_cast<float>(i) + 0.5f);
    figures[i].x = down ? across : along;
    figures[i].y = down ? along : across;
  }
}

std::vector<Figure> motifs(const Look& look, const Picture& picture, Random& random) {
  const Arrangement& arrangement = kArrangements[static_cast<size_t>(look.layout)];
  float radius = arrangement.radius * between(0.85f, 1.15f, random) * shorter_side(picture);
  Colour body = varied(look.body, random), trim = varied(look.trim, random);
  std::vector<Figure> figures;
  for (int64_t i = 0; i < arrangement.figures; ++i) {
    Shape shape = look.shapes[random.below(look.shapes.size())];
    float x = place(radius, picture.width(), random), y = place(radius, picture.height(), random);
    figures.push_back({shape, look.texture, body, trim, x, y, radius, random_turn(random)});
  }
  if (look.layout == Layout::kRow) line_up(figures, picture, random);
  return figures;
}

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) fail<DataError>("covers", "cannot write {}", path.string());
}

void make_folders(const std::filesystem::path& folder, std::span<const Cover> covers) {
  std::filesystem::path last;
  for (const Cover& cover : covers) {
    std::filesystem::path wanted = (folder / cover_path(cover.document)).parent_path();
    if (wanted == last) continue;
    std::error_code error;
    std::filesystem::create_directories(wanted, error);
    if (error) fail<DataError>("covers", "cannot create {}: {}", wanted.string(), error.message());
    last = wanted;
  }
}

}  // namespace

Look look_of(uint32_t topic) {
  // A pair of hues belongs to every 66th topic. In each of these rounds the parts step on by
  // numbers such that topics of one pair differ in as many parts as can be.
  constexpr uint32_t kPairs = kHues.size() * (kHues.size() - 1) / 2;
  uint32_t round = topic / kPairs, i = topic % kPairs;
  auto [body, trim] = hue_pair(i);
  if ((i + round) % 2 == 1) std::swap(body, trim);
  uint32_t first = (i + 3 * round) % kShapes;
  return {.body = body,
          .trim = trim,
          .shapes = {static_cast<Shape>(first), static_cast<Shape>((first + 3) % kShapes)},
          .texture = static_cast<Texture>((i + round) % kTextures),
          .layout = static_cast<Layout>((i / 4 + 2 * round + round / 2 + round / 8) % kLayouts)};
}

Picture draw_cover(uint64_t seed, const Cover& cover) {
  Random random(hash_combine(seed, hash_bytes("covers")), cover.document);
  auto [width, height] = kSizes[random.below(kSizes.size())];
  Picture picture(width, height);
  Colour from = muted_colour(random), to = muted_colour(random);
  picture.fill(from, to, random_turn(random));
  for (uint64_t left = 2 + random.below(4); left > 0; --left)
    picture.draw(distraction(picture, random));
  for (const Figure& figure : motifs(look_of(cover.topic), picture, random)) picture.draw(figure);
  if (random.chance(0.5)) picture.draw(distraction(picture, random));
  picture.add_noise(between(0, 14, random), random);
  return picture;
}

std::string cover_path(uint32_t document) {
  return fmt::format("covers/{:03}/{}.jpg", document / kDocumentsPerFolder, document);
}

void write_covers(const std::filesystem::path& folder, uint64_t seed, std::span<const Cover> covers,
                  int64_t threads) {
  make_folders(folder, covers);
  constexpr size_t kPart = 16;  // covers that a thread takes at a time
  if (threads == 0) threads = std::max<int64_t>(std::thread::hardware_concurrency(), 1);
  share(covers.size(), kPart, threads, [&](size_t begin, size_t end) {
    for (const Cover& cover : covers.subspan(begin, end - begin))
      write_file(folder / cover_path(cover.document),
                 to_jpeg(draw_cover(seed, cover), kJpegQuality));
  });
}

}  // namespace lemur
