// The part of a text that begins with the record being read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "lemur/input/text_source.h"

namespace lemur {

/// Holds text from the current record on, as much as was asked for. Views into it end with more()
/// and consume(). Not thread-safe.
class RecordBuffer {
 public:
  explicit RecordBuffer(TextSource source) : source_(std::move(source)) {}

  const std::string& name() const { return source_.name(); }
  std::string_view text() const { return std::string_view(text_).substr(begin_); }

  /// Reads on, until twice as much is there; false at the end of the text, where nothing is added.
  bool more() {
    text_.erase(0, begin_);
    begin_ = 0;
    const size_t wanted = std::max<size_t>(2 * text_.size(), 1);
    const size_t before = text_.size();
    while (text_.size() < wanted && source_.append_to(text_)) {
    }
    return text_.size() > before;
  }

  /// Drops the first bytes. Requires: text() has them.
  void consume(size_t bytes) { begin_ += bytes; }

 private:
  TextSource source_;
  std::string text_;
  size_t begin_ = 0;
};

}  // namespace lemur
