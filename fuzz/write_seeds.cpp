// Writes a few small inputs for each fuzz target to start from.
//   write_seeds FOLDER   makes FOLDER/jpeg, FOLDER/png, FOLDER/webp, FOLDER/tokenizer,
//   FOLDER/rank_request, FOLDER/csv and FOLDER/json_lines
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "lemur/data/image_testing.h"

namespace lemur {
namespace {

void write(const std::filesystem::path& folder, const std::vector<Bytes>& seeds) {
  std::filesystem::create_directories(folder);
  for (size_t i = 0; i < seeds.size(); ++i)
    std::ofstream(folder / std::to_string(i), std::ios::binary)
        .write(reinterpret_cast<const char*>(seeds[i].data()),
               static_cast<std::streamsize>(seeds[i].size()));
}

void write_seeds(const std::filesystem::path& folder) {
  const TestImage grey = busy_image(20, 17, 1), rgb = busy_image(20, 17),
                  rgba = busy_image(20, 17, 4);
  const Bytes little = exif_segment(6, false), big = exif_segment(3, true);
  write(folder / "jpeg",
        {encode_jpeg(grey), encode_jpeg(rgb, {.app1 = little}),
         encode_jpeg(rgb, {.is_progressive = true, .app1 = big}), encode_jpeg(rgba),
         encode_jpeg(rgba, {.is_ycck = true}), encode_jpeg(rgba, {.has_adobe_marker = false})});
  PngStyle palette;
  palette.palette = std::vector<std::array<uint8_t, 4>>(256, {1, 2, 3, 100});
  write(folder / "png",
        {encode_png(grey), encode_png(grey, palette), encode_png(grey, {.transparent_gray = 40}),
         encode_png(rgb), encode_png(rgba, {.is_interlaced = true}),
         encode_png(rgb, {.bit_depth = 16})});
  write(folder / "webp", {encode_webp(rgb), encode_webp(rgb, 80), encode_webp(rgba),
                          encode_webp(rgba, 80), encode_animation(32, 32, {rgb, rgb}, 4, 4)});
  std::vector<Bytes> texts;
  for (std::string text :
       {"The fox's 123 foxes!", "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac ab-ab",
        "\xff\xfe broken \xe6\x97", "a\xcc\x81\xcc\x81 \xef\xbb\xbf\xe2\x80\x8b"})
    texts.emplace_back(text.begin(), text.end());
  write(folder / "tokenizer", texts);
  std::vector<Bytes> bodies;
  for (std::string body :
       {R"({"user":42,"query":"q","request":"r","time_ms":978300000005,)"
        R"("features":{"hour":"1","age":2.5},)"
        R"("documents":["1",2,{"id":"9","texts":{"title":"t"},"features":{"price":3}}],)"
        R"("history":{"long":[{"document":"5","time_ms":978300000001,"action":"like"}]},)"
        R"("deadline_ms":50,"top":2,"explain":true})",
        R"({"query":"q","deadline_ms":5})", R"({"document":{"id":1,"texts":{"genres":"g"}}})",
        R"({"events":[{"user":1,"document":"2","time_ms":978300000003,"request":"r","query":"q",)"
        R"("labels":{"click":1},"action":"like","features":{"hour":["1","2"]},"id":"e"}]})",
        R"({"id":"i","inputs":[{"name":"documents","datatype":"BYTES","shape":[2],)"
        R"("data":["1","2"]},{"name":"user","datatype":"BYTES","shape":[1],"data":["u"]}],)"
        R"("outputs":[{"name":"flags"}]})"})
    bodies.emplace_back(body.begin(), body.end());
  write(folder / "rank_request", bodies);
  std::vector<Bytes> tables;
  for (std::string table :
       {std::string("a,b\n1,\"x,\"\"y\"\"\"\n\n,2\r\n"), std::string("a;b\r1;2"),
        std::string("\xff\xfe"
                    "a\0,\0b\0\n\0",
                    10),
        std::string("\xef\xbb\xbf"
                    "a\n\n1\n\n"),
        std::string("a\tb\nNA\t\"x\\\"y\"\n")})
    tables.emplace_back(table.begin(), table.end());
  write(folder / "csv", tables);
  std::vector<Bytes> records;
  for (std::string text :
       {"{\"a\":[1,\"x\\n\",null],\"b\":{\"c\":1.5e3}}\n{\"a\":\"\\u00e9\\ud83e\\udd8a\"}\n",
        "[{\"a\":-0.1},\n{\"b\":[{\"c\":2},[]]}]", "\n{\"a\":true}{\"a\":false}"})
    records.emplace_back(text.begin(), text.end());
  write(folder / "json_lines", records);
}

}  // namespace
}  // namespace lemur

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_seeds FOLDER\n");
    return 2;
  }
  lemur::write_seeds(argv[1]);
  return 0;
}
