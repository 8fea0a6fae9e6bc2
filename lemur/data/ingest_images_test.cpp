#include "lemur/data/ingest_images.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "lemur/data/image_decoder.h"
#include "lemur/data/image_testing.h"
#include "lemur/data/ingest_testing.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSide = 16;

std::string_view text_of(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Bytes square_of(const Bytes& file) {
  Bytes rgb(3 * kSide * kSide);
  EXPECT_EQ(decode_image(file, kSide, 25, rgb).status, ImageStatus::kOk);
  return rgb;
}

class ImageIngest : public IngestTest {
 protected:
  ImageIngest() {
    how.data.image = {{"poster", kSide}};
    events = "split,time,user,document,label\ntrain,1,u,d0,1\n";
    documents = "document,title,poster\n";
  }

  /// Adds a row to documents.
  void add_document(const std::string& poster) {
    documents += fmt::format("d{},title,{}\n", num_documents++, poster);
  }
  /// Writes a file and adds a document whose image it is.
  void add_image(const std::string& name, const Bytes& bytes) {
    fs::create_directories((folder.path() / name).parent_path());
    std::ofstream(folder.path() / name, std::ios::binary) << text_of(bytes);
    add_document(name);
  }
  nlohmann::json images() const { return summary["images"]["poster"]; }
  Bytes image(const SampleStore& store, uint32_t document) const {
    auto pixels = store.image(document, 0);
    return {pixels.begin(), pixels.end()};
  }

  const Bytes jpeg = encode_jpeg(busy_image(90, 120)), png = encode_png(busy_image(20, 20));
  int num_documents = 0;
};

TEST_F(ImageIngest, StoresTheImagesThatPathsName) {
  add_image("posters/a.jpg", jpeg);
  add_document("");
  add_image("posters/b.jpg", png);  // the name does not count
  add_document((folder.path() / "posters/a.jpg").string());
  write_inputs();
  SampleStore store = run();
  ASSERT_EQ(store.schema().images.size(), 1U);
  EXPECT_EQ(store.schema().images[0].name, "poster");
  EXPECT_EQ(store.schema().images[0].pixels, kSide);
  EXPECT_EQ(store.schema().images[0].num_images, 3U);
  EXPECT_EQ(image(store, 0), square_of(jpeg));
  EXPECT_TRUE(image(store, 1).empty());
  EXPECT_EQ(image(store, 2), square_of(png));
  EXPECT_EQ(image(store, 3), square_of(jpeg));
  EXPECT_EQ(images()["images"], 3);
  EXPECT_EQ(images()["none"], 1);
  EXPECT_EQ(images()["formats"], nlohmann::json({{"jpeg", 2}, {"png", 1}}));
  EXPECT_TRUE(images()["problems"].empty());
  EXPECT_TRUE(summary["seconds"].contains("images"));
}

TEST_F(ImageIngest, StoresImagesThatAreBytes) {
  write("a.jpg", text_of(jpeg));
  write("c.jpg", "no image");
  how.data.documents = "documents.parquet";
  write_table("documents.parquet",
              fmt::format("SELECT 'd0' AS document, 'x' AS title, content AS poster FROM "
                          "read_blob('{0}/a.jpg') UNION ALL SELECT 'd1', 'x', NULL UNION ALL "
                          "SELECT 'd2', 'x', ''::BLOB UNION ALL SELECT 'd3', 'x', content FROM "
                          "read_blob('{0}/c.jpg')",
                          folder.path().string()));
  write("events.csv", events);
  SampleStore store = run();
  EXPECT_EQ(image(store, 0), square_of(jpeg));
  for (uint32_t document : {1, 2, 3}) EXPECT_TRUE(image(store, document).empty());
  EXPECT_EQ(images()["images"], 1);
  EXPECT_EQ(images()["none"], 2);
  EXPECT_EQ(images()["unsupported"], 1);
  EXPECT_EQ(images()["problems"][0]["document"], "d3");
  EXPECT_EQ(images()["problems"][0]["image"], "(8 bytes)");
}

TEST_F(ImageIngest, StoresTheImagesOfObjectsOfBytesAndPath) {
  write("a.jpg", text_of(jpeg));
  write("b.png", text_of(png));
  how.data.documents = "documents.parquet";
  write_table(
      "documents.parquet",
      fmt::format("SELECT 'd0' AS document, 'x' AS title, {{'bytes': content, 'path': "
                  "'gone.jpg'}} AS poster FROM read_blob('{}/a.jpg') UNION ALL SELECT 'd1', "
                  "'x', {{'bytes': NULL, 'path': 'b.png'}} UNION ALL SELECT 'd2', 'x', NULL "
                  "UNION ALL SELECT 'd3', 'x', {{'bytes': NULL, 'path': 'gone.png'}}",
                  folder.path().string()));
  write("events.csv", events);
  SampleStore store = run();
  EXPECT_EQ(image(store, 0), square_of(jpeg));
  EXPECT_EQ(image(store, 1), square_of(png));
  EXPECT_EQ(images()["images"], 2);
  EXPECT_EQ(images()["none"], 1);
  EXPECT_EQ(images()["missing"], 1);
  EXPECT_EQ(store.schema().images[0].name, "poster");
  how.data.image = {{"title", kSide}, {"title.bytes", kSide}};
  EXPECT_TRUE(holds(invalid_argument(), "has no column 'title.bytes'"));
  write_table("documents.parquet", "SELECT 'd0' AS document, 'x' AS title, {'width': 3} AS poster");
  how.data.image = {{"poster", kSide}};
  EXPECT_TRUE(holds(data_error(), "column 'poster' holds objects; its members: poster.width"));
}

TEST_F(ImageIngest, ResolvesPathsAgainstTheFolderOfTheDocuments) {
  write("a.jpg", text_of(png));
  for (const char* name : {"data/a.jpg", "data/new/a.jpg"}) {
    fs::create_directories((folder.path() / name).parent_path());
    write(name, text_of(jpeg));
  }
  add_document("a.jpg");
  write_inputs();
  write("data/new/documents.csv", documents);
  struct Case {
    std::string documents;
    const Bytes& expected;
  };
  for (const Case& c : {Case{"documents.csv", png}, Case{"data/new/documents.csv", jpeg},
                        Case{"data/new/doc*.csv", jpeg}, Case{"data/*/documents.csv", jpeg},
                        Case{"sql: SELECT * FROM 'data/new/documents.csv'", png}}) {
    how.data.documents = c.documents;
    EXPECT_EQ(image(run(), 0), square_of(c.expected)) << c.documents;
  }
}

TEST_F(ImageIngest, LeavesUnknownDocumentsWithoutImages) {
  how.data.unknown_documents = "keep";
  add_image("a.jpg", jpeg);
  events += "train,2,u,new,1\n";
  write_inputs();
  SampleStore store = run();
  ASSERT_EQ(store.schema().num_documents, 2U);
  EXPECT_TRUE(image(store, 1).empty());
  EXPECT_EQ(images()["none"], 1);
}

TEST_F(ImageIngest, KeepsSeveralFieldsApart) {
  how.data.image = {{"poster", kSide}, {"title", 20}};
  write("a.jpg", text_of(jpeg));
  write("b.png", text_of(png));
  documents = "document,title,poster\nd0,b.png,a.jpg\nd1,b.png,\n";
  write_inputs();
  SampleStore store = run();
  EXPECT_EQ(image(store, 0), square_of(jpeg));
  EXPECT_TRUE(store.image(1, 0).empty());
  EXPECT_EQ(store.image(1, 1).size(), 3U * 20 * 20);
}

TEST_F(ImageIngest, RefusesAFieldThatIsGivenTwice) {
  how.data.image = {{"poster", kSide}, {"poster", 32}};
  EXPECT_EQ(invalid_argument(), "[ingest] image field 'poster' is given twice");
}

TEST_F(ImageIngest, RefusesImagesOfMorePixelsThanAllowed) {
  how.data.image[0].max_megapixels = 0.01;
  add_image("small.jpg", encode_jpeg(busy_image(100, 100)));
  add_image("large.jpg", encode_jpeg(busy_image(100, 101)));
  write_inputs();
  run();
  EXPECT_EQ(images()["images"], 1);
  EXPECT_EQ(images()["too_large"], 1);
}

TEST_F(ImageIngest, ListsTheFirstThousandProblems) {
  for (int i = 0; i < 1003; ++i) add_document("nowhere.jpg");
  write_inputs();
  run();
  EXPECT_EQ(images()["missing"], 1003);
  EXPECT_EQ(images()["problems"].size(), 1000U);
  EXPECT_EQ(images()["problems_not_listed"], 3);
  EXPECT_EQ(
      images()["problems"][7],
      nlohmann::json({{"document", "d7"}, {"image", "nowhere.jpg"}, {"problem", "no such file"}}));
}

TEST_F(ImageIngest, GivesTheSameStoreForAnyNumberOfThreads) {
  for (int i = 0; i < 300; ++i) {
    auto size = static_cast<size_t>(20 + i % 37);
    if (i % 7 == 0)
      add_document("nowhere.jpg");
    else
      add_image(fmt::format("{}.jpg", i),
                i % 2 == 0 ? encode_jpeg(busy_image(size, 50)) : encode_png(busy_image(size, 30)));
  }
  write_inputs();
  auto files = [&](int64_t threads) {
    how.threads = threads;
    how.store = folder.path() / fmt::format("store{}", threads);
    run();
    return open_folder(how.store)["files"];
  };
  auto one = files(1);
  EXPECT_TRUE(one.contains("image_0.rgb.u8"));
  EXPECT_EQ(one, files(3));
}

/// 200 documents whose images are everything but what they should be.
class HostileImages : public ImageIngest {
 protected:
  HostileImages() {
    const std::vector<Bytes> bombs = images_that_say(60000, 60000);
    const Bytes webp = encode_webp(busy_image(30, 30), 80);
    const std::vector<Bytes> wholes = {jpeg, png, webp};
    for (size_t i = 0; i < 20; ++i) {
      std::string stem = fmt::format("hostile/{}-", i);
      for (size_t k = 0; k < 3; ++k) {
        const Bytes& whole = wholes[k];
        size_t size = 12 + (i + 1) * (whole.size() - 12) / 21;
        add("broken", stem + fmt::format("cut{}.jpg", k),
            {whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)});
      }
      add("too_large", stem + "bomb.png", bombs[i % 3]);
      add("images", stem + "wrong.txt", wholes[i % 3]);
      add("images", stem + "moving.webp",
          encode_animation(30, 30, {busy_image(30, 30), busy_image(30, 30)}, 0, 0));
      add("broken", stem + "empty.jpg", {});
      add("unsupported", stem + "text.jpg", {'h', 'e', 'l', 'l', 'o', static_cast<uint8_t>(i)});
      fs::create_directories(folder.path() / (stem + "folder.jpg"));
      expect("missing", stem + "folder.jpg");
      expect("missing", std::string(i % 2 == 0 ? 5000 : 3, 'x'));
    }
  }

  void add(const std::string& outcome, const std::string& name, const Bytes& bytes) {
    add_image(name, bytes);
    ++expected[outcome];
  }
  void expect(const std::string& outcome, const std::string& path) {
    add_document(path);
    ++expected[outcome];
  }

  std::map<std::string, int> expected;
};

TEST_F(HostileImages, AreCountedAndListedAndStopNothing) {
  ASSERT_EQ(num_documents, 200);
  write_inputs();
  SampleStore store = run();
  for (const char* outcome : {"images", "none", "missing", "broken", "unsupported", "too_large"})
    EXPECT_EQ(images()[outcome], expected[outcome]) << outcome;
  EXPECT_EQ(images()["problems"].size(), 160U);
  EXPECT_EQ(store.schema().images[0].num_images, 40U);
  size_t num_images = 0;
  for (uint32_t document = 0; document < 200; ++document)
    num_images += !store.image(document, 0).empty();
  EXPECT_EQ(num_images, 40U);
}

}  // namespace
}  // namespace lemur
