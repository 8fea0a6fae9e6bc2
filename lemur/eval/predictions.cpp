#include "lemur/eval/predictions.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"

namespace lemur {
namespace fs = std::filesystem;

namespace {

/// Appends a field and a comma. An empty text is quoted: unquoted, readers take it for NULL.
void append_field(std::string& line, std::string_view text) {
  bool plain = !text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos &&
               text.front() != ' ' && text.back() != ' ';
  if (plain) {
    line += text;
  } else {
    line += '"';
    for (char c : text) {
      if (c == '"') line += '"';
      line += c;
    }
    line += '"';
  }
  line += ',';
}

}  // namespace

PredictionsFile::PredictionsFile(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_regular_file(path, error))
    fail<InvalidArgument>("predictions", "{} is no regular file", path.string());
  // The rename must replace what a link points to, not the link.
  path_ = fs::is_symlink(path, error) ? fs::weakly_canonical(path, error) : path;
  temporary_ = fmt::format("{}.tmp-{}", path_.string(), ::getpid());
  out_.open(temporary_, std::ios::binary | std::ios::trunc);
  if (!out_)
    fail<DataError>("predictions", "cannot create {}: {}", temporary_.string(),
                    std::strerror(errno));
  out_ << "row,request,user,document,label,weight,score\n";
}

PredictionsFile::~PredictionsFile() {
  if (published_) return;
  out_.close();
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

void PredictionsFile::add(const Prediction& prediction) {
  line_.clear();
  fmt::format_to(std::back_inserter(line_), "{},", prediction.row);
  append_field(line_, prediction.request);
  append_field(line_, prediction.user);
  append_field(line_, prediction.document);
  fmt::format_to(std::back_inserter(line_), "{:.9g},{:.9g},{:.9g}\n", prediction.label,
                 prediction.weight, prediction.score);
  errno = 0;
  out_.write(line_.data(), static_cast<std::streamsize>(line_.size()));
  if (!out_) fail_write(temporary_);
}

void PredictionsFile::finish() {
  errno = 0;
  out_.close();
  if (!out_) fail_write(temporary_);
  sync_path(temporary_);
  std::error_code error;
  fs::rename(temporary_, path_, error);
  if (error) fail<DataError>("predictions", "cannot write {}: {}", path_.string(), error.message());
  published_ = true;
}

}  // namespace lemur
