// What every text must be before a YAML parser may see it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/diagnostic.h"

namespace gpuplan {

// Turns byte offsets into places. The next place asked for is mostly near the last one, so each
// answer starts from the one before. Not thread-safe.
class PlaceFinder {
 public:
  // `start` is the offset of the first byte that counts (behind a byte order mark).
  PlaceFinder(std::shared_ptr<const SourceFile> file, std::size_t start);

  // The place of a byte that is given as line and byte column, both from 0; clamped into the text.
  SourceLocation at(std::size_t line, std::size_t byte_column);
  SourceLocation at_offset(std::size_t offset);
  // The offset of that place in the text.
  std::size_t offset(std::size_t line, std::size_t byte_column) const;
  const std::string& text() const { return file_->text; }

 private:
  std::shared_ptr<const SourceFile> file_;
  std::vector<std::size_t> line_starts_;
  std::size_t cached_line_ = 0;
  std::size_t cached_offset_ = 0;
  std::size_t cached_column_ = 1;
};

// The number of bytes of the UTF-8 byte order mark at the front: 3 or 0.
std::size_t byte_order_mark_size(std::string_view text);
std::size_t count_code_points(std::string_view text);

// A problem with the text as such and the offset of its first bad byte: not UTF-8, control
// characters that YAML forbids (YAML 1.2, 5.1), a carriage return without a line feed, and lines on
// which yaml-cpp would spend memory out of proportion.
struct TextProblem {
  std::size_t offset = 0;
  std::string summary;
  std::string remedy;
};
std::optional<TextProblem> check_text(std::string_view text, std::size_t start);

// The first character that no file and no value may have, such as the escape of a terminal. A byte that is not
// UTF-8 counts as the character of its number: yaml-cpp 0.7 makes such of the escapes \N and \_.
std::optional<std::uint32_t> forbidden_character(std::string_view text);
// The text with a '?' for each such character and each byte that is not UTF-8: safe to show, columns kept.
std::string without_forbidden_characters(std::string_view text);

}  // namespace gpuplan
