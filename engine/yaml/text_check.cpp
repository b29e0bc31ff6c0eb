#include "yaml/text_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan {
namespace {

unsigned byte_at(std::string_view text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

bool is_continuation(unsigned byte) { return (byte & 0xC0U) == 0x80U; }

struct Decoded {
  std::uint32_t code_point = 0;
  std::size_t size = 0;  // 0: not UTF-8
};

Decoded decode_multibyte(std::string_view text, std::size_t i) {
  const unsigned first = byte_at(text, i);
  std::size_t size = 0;
  std::uint32_t value = 0;
  std::uint32_t least = 0;
  if ((first & 0xE0U) == 0xC0U) {
    size = 2, value = first & 0x1FU, least = 0x80;
  } else if ((first & 0xF0U) == 0xE0U) {
    size = 3, value = first & 0x0FU, least = 0x800;
  } else if ((first & 0xF8U) == 0xF0U) {
    size = 4, value = first & 0x07U, least = 0x10000;
  }
  if (size == 0 || i + size > text.size()) return {};
  for (std::size_t k = 1; k < size; ++k) {
    const unsigned next = byte_at(text, i + k);
    if (!is_continuation(next)) return {};
    value = value << 6U | (next & 0x3FU);
  }
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < least || value > 0x10FFFF || surrogate) return {};
  return {value, size};
}

bool is_forbidden(std::uint32_t code_point) {
  if (code_point < 0x20) return code_point != '\t' && code_point != '\n' && code_point != '\r';
  // With U+0085, which YAML allows: terminals take it for a line end.
  if (code_point >= 0x7F && code_point < 0xA0) return true;
  // Byte order marks and bidirectional overrides inside a text make it look other than it is.
  if (code_point >= 0x202A && code_point <= 0x202E) return true;
  if (code_point >= 0x2066 && code_point <= 0x2069) return true;
  return code_point == 0xFEFF || code_point == 0xFFFE || code_point == 0xFFFF;
}

// The character at `i`, whose bytes may be anything.
Decoded decode(std::string_view text, std::size_t i) {
  const unsigned first = byte_at(text, i);
  return first < 0x80 ? Decoded{first, 1} : decode_multibyte(text, i);
}

// yaml-cpp keeps every token of a line until it knows whether the line's first one is a key. Brackets
// and marks are counted without regard to quotes: no honest line comes near these numbers.
std::optional<TextProblem> check_lines(std::string_view text, std::size_t start) {
  constexpr int max_open_brackets = 200;
  constexpr int max_marks = 20'000;
  int open = 0;
  int marks = 0;
  for (std::size_t i = start; i < text.size(); ++i) {
    switch (text[i]) {
      case '\n':
        open = marks = 0;
        break;
      case '[':
      case '{':
        ++marks, ++open;
        break;
      case ']':
      case '}':
        ++marks, open -= open > 0 ? 1 : 0;
        break;
      case ',':
      case ':':
      case '?':
      case '"':
      case '\'':
      case '!':
      case '&':
      case '*':
        ++marks;
        break;
      default:
        break;
    }
    if (open > max_open_brackets) return TextProblem{i, "brackets nested too deeply", "flatten the document"};
    if (marks > max_marks) return TextProblem{i, "a line with too many values", "break the line"};
  }
  return std::nullopt;
}

}  // namespace

PlaceFinder::PlaceFinder(std::shared_ptr<const SourceFile> file, std::size_t start)
    : file_(std::move(file)), line_starts_{start}, cached_offset_(start) {
  const std::string& bytes = file_->text;
  for (std::size_t i = bytes.find('\n', start); i != std::string::npos; i = bytes.find('\n', i + 1)) {
    line_starts_.push_back(i + 1);
  }
}

std::size_t PlaceFinder::offset(std::size_t line, std::size_t byte_column) const {
  if (line >= line_starts_.size()) return file_->text.size();
  return std::min(line_starts_[line] + byte_column, file_->text.size());
}

SourceLocation PlaceFinder::at(std::size_t line, std::size_t byte_column) {
  line = std::min(line, line_starts_.size() - 1);
  const std::size_t wanted = offset(line, byte_column);
  if (line != cached_line_) {
    cached_line_ = line;
    cached_offset_ = line_starts_[line];
    cached_column_ = 1;
  }
  // From the last answer, in either direction: a line may be as long as the file.
  const std::string_view bytes = file_->text;
  if (wanted >= cached_offset_) {
    cached_column_ += count_code_points(bytes.substr(cached_offset_, wanted - cached_offset_));
  } else {
    cached_column_ -= count_code_points(bytes.substr(wanted, cached_offset_ - wanted));
  }
  cached_offset_ = wanted;
  return {file_, line + 1, cached_column_, 1};
}

SourceLocation PlaceFinder::at_offset(std::size_t offset) {
  const auto after = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  const auto line = static_cast<std::size_t>(std::max<std::ptrdiff_t>(after - line_starts_.begin() - 1, 0));
  return at(line, offset - std::min(offset, line_starts_[line]));
}

std::size_t byte_order_mark_size(std::string_view text) { return text.substr(0, 3) == "\xEF\xBB\xBF" ? 3 : 0; }

std::size_t count_code_points(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return !is_continuation(static_cast<unsigned char>(c)); }));
}

std::optional<TextProblem> check_text(std::string_view text, std::size_t start) {
  for (std::size_t i = start; i < text.size();) {
    const unsigned first = byte_at(text, i);
    if (first == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) {
      return TextProblem{i, "a carriage return without a line feed", "save the file with Unix line ends"};
    }
    const Decoded decoded = decode(text, i);
    if (decoded.size == 0) {
      return TextProblem{i, fmt::format("byte 0x{:02x} is not UTF-8 text", first), "save the file as UTF-8"};
    }
    if (is_forbidden(decoded.code_point)) {
      return TextProblem{i, fmt::format("the character U+{:04X} must not stand in a YAML file", decoded.code_point),
                         "remove it; it may be invisible in your editor"};
    }
    i += decoded.size;
  }
  return check_lines(text, start);
}

std::optional<std::uint32_t> forbidden_character(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const Decoded decoded = decode(text, i);
    if (decoded.size == 0) return byte_at(text, i);
    if (is_forbidden(decoded.code_point)) return decoded.code_point;
    i += decoded.size;
  }
  return std::nullopt;
}

std::string without_forbidden_characters(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Decoded decoded = decode(text, i);
    if (decoded.size == 0 || is_forbidden(decoded.code_point)) {
      out += '?';
    } else {
      out += text.substr(i, decoded.size);
    }
    i += std::max<std::size_t>(decoded.size, 1);
  }
  return out;
}

}  // namespace gpuplan
