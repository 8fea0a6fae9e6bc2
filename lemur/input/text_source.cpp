#include "lemur/input/text_source.h"

#include <iconv.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr size_t kBlockBytes = size_t{256} << 10;
constexpr std::string_view kUtf8Mark = "\xef\xbb\xbf", kUtf16BigMark = "\xfe\xff",
                           kUtf16LittleMark = "\xff\xfe";

bool is_utf8_name(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name == "utf-8" || name == "utf8";
}

/// Returns the length of the text without a character that its end cuts.
size_t whole_characters(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? text.size() - back : text.size();
  }
  return text.size();
}

/// Returns the position of the first byte that begins no character of UTF-8.
size_t first_fault(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    size_t length = 1;
    while (length <= 4 &&
           !(at + length <= text.size() && simdjson::validate_utf8(text.data() + at, length)))
      ++length;
    if (length > 4) break;
    at += length;
  }
  return at;
}

/// A conversion of iconv(3) to UTF-8.
class Converter {
 public:
  explicit Converter(const std::string& encoding)
      : handle_(::iconv_open("UTF-8", encoding.c_str())) {
    // After a slash come orders to replace or drop what cannot be converted; empty is the locale's.
    const bool is_name = !encoding.empty() && encoding.find('/') == std::string::npos;
    if (is_name && handle_ != kNone) return;
    if (handle_ != kNone) ::iconv_close(handle_);
    fail<InvalidArgument>("input", "data.csv encoding = '{}': no such encoding is known", encoding);
  }
  ~Converter() { ::iconv_close(handle_); }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  /// Appends the text of `bytes` to `out` and returns how many bytes of whole characters there
  /// were; `is_wrong`: the next is none. At the end of the file `bytes` is followed by nothing.
  size_t convert(std::string_view bytes, bool is_end, std::string& out, bool& is_wrong) {
    char* in = const_cast<char*>(bytes.data());
    size_t left = bytes.size();
    is_wrong = !run(&in, &left, out);
    if (!is_wrong && is_end) {
      is_wrong = left > 0;
      run(nullptr, nullptr, out);
    }
    return bytes.size() - left;
  }

 private:
  static inline const iconv_t kNone = reinterpret_cast<iconv_t>(-1);

  bool run(char** in, size_t* left, std::string& out) {
    std::array<char, 16384> block;
    while (true) {
      char* to = block.data();
      size_t room = block.size();
      const size_t state = ::iconv(handle_, in, left, &to, &room);
      const int error = errno;
      out.append(block.data(), block.size() - room);
      if (state != static_cast<size_t>(-1) || error == EINVAL) return true;
      if (error != E2BIG) return false;
    }
  }

  iconv_t handle_;
};

}  // namespace

struct TextSource::Impl {
  std::unique_ptr<ByteSource> bytes;
  std::string name, encoding, raw;       // raw: bytes of the file that are not yet text
  std::unique_ptr<Converter> converter;  // none: the file is UTF-8
  LineCounter lines;
  bool is_first = true, is_end = false;

  void read_block() {
    const size_t kept = raw.size();
    raw.resize(kept + kBlockBytes);
    const size_t got = bytes->read(raw.data() + kept, kBlockBytes);
    raw.resize(kept + got);
    is_end = got < kBlockBytes;
    if (is_first) begin();
    is_first = false;
  }

  void begin() {
    auto drop = [&](std::string_view mark, const char* told) {
      if (!raw.starts_with(mark)) return false;
      raw.erase(0, mark.size());
      encoding = told;
      return true;
    };
    (void)(drop(kUtf8Mark, "utf-8") || drop(kUtf16LittleMark, "UTF-16LE") ||
           drop(kUtf16BigMark, "UTF-16BE"));
    if (is_utf8_name(encoding))
      converter.reset();
    else
      converter = std::make_unique<Converter>(encoding);
  }

  [[noreturn]] void refuse(std::string_view before, const std::string& what) {
    lines.add(before);
    fail<DataError>("input", "{}: line {} {}", name, lines.count() + 1, what);
  }

  void append_utf8(std::string& out) {
    const size_t length = is_end ? raw.size() : whole_characters(raw);
    if (!simdjson::validate_utf8(raw.data(), length)) {
      const size_t at = first_fault({raw.data(), length});
      refuse({raw.data(), at},
             fmt::format("holds the byte 0x{:02X}, which is no UTF-8; data.csv encoding names "
                         "another encoding",
                         static_cast<unsigned char>(raw[at])));
    }
    out.append(raw, 0, length);
    raw.erase(0, length);
  }

  void append_converted(std::string& out) {
    const size_t start = out.size();
    bool is_wrong = false;
    const size_t used = converter->convert(raw, is_end, out, is_wrong);
    if (is_wrong)
      refuse(std::string_view(out).substr(start),
             fmt::format("holds bytes that are no text in {} (the first: 0x{:02X})", encoding,
                         used < raw.size() ? static_cast<unsigned char>(raw[used]) : 0));
    raw.erase(0, used);
  }
};

TextSource::TextSource(const std::filesystem::path& file, const std::string& encoding)
    : TextSource(open_bytes(file), file.string(), encoding) {}

TextSource::TextSource(std::unique_ptr<ByteSource> bytes, std::string name,
                       const std::string& encoding)
    : impl_(std::make_unique<Impl>()) {
  impl_->bytes = std::move(bytes);
  impl_->name = std::move(name);
  impl_->encoding = encoding;
  if (!is_utf8_name(encoding)) Converter check(encoding);
}

TextSource::~TextSource() = default;
TextSource::TextSource(TextSource&&) noexcept = default;

const std::string& TextSource::name() const { return impl_->name; }

bool TextSource::append_to(std::string& out) {
  const size_t start = out.size();
  while (out.size() == start && !impl_->is_end) {
    impl_->read_block();
    if (impl_->converter == nullptr)
      impl_->append_utf8(out);
    else
      impl_->append_converted(out);
  }
  const auto added = std::string_view(out).substr(start);
  if (const size_t nul = added.find('\0'); nul != std::string_view::npos)
    impl_->refuse(
        added.substr(0, nul),
        "holds a NUL byte; UTF-16 without a byte order mark is named by data.csv encoding");
  impl_->lines.add(added);
  return !added.empty();
}

void LineCounter::add(std::string_view text) {
  if (text.empty()) return;
  if (after_return_ && text.front() == '\n') --count_;
  count_ += std::count(text.begin(), text.end(), '\n');
  // A \r is a line end of its own where no \n follows.
  for (size_t at = text.find('\r'); at != std::string_view::npos; at = text.find('\r', at + 1))
    if (at + 1 == text.size() || text[at + 1] != '\n') ++count_;
  after_return_ = text.back() == '\r';
}

std::string shown(std::string_view text) {
  constexpr size_t kMaxBytes = 60;
  std::string line(text.substr(0, kMaxBytes));
  line.resize(whole_characters(line));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  if (text.size() > kMaxBytes) line += "...";
  return line;
}

}  // namespace lemur
