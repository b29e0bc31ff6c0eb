#include "report/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace gpuplan {
namespace {

bool is_continuation_byte(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

struct Style {
  std::string_view name;
  std::string_view color;
};

Style style_of(Severity severity) {
  switch (severity) {
    case Severity::note: return {"note", "\033[1;36m"};
    case Severity::warning: return {"warning", "\033[1;33m"};
    case Severity::error: break;
  }
  return {"error", "\033[1;31m"};
}

// Blanks up to the caret; a tab stays a tab so that the caret stands under its character.
std::string caret_line(const std::string& line, std::size_t column, std::size_t length) {
  std::string out;
  std::size_t at = 1;
  for (std::size_t i = 0; i < line.size() && at < column; ++i) {
    if (is_continuation_byte(line[i])) continue;
    out += line[i] == '\t' ? '\t' : ' ';
    ++at;
  }
  out += '^';
  if (length > 1) out.append(length - 1, '~');
  return out;
}

// One character of `text` at `begin`.
struct Character {
  std::size_t bytes = 1;
  char32_t code = 0;
  bool valid = false;  // part of well-formed UTF-8 (RFC 3629)
};

Character character_at(std::string_view text, std::size_t begin) {
  const auto first = static_cast<unsigned char>(text[begin]);
  if (first < 0x80U) return {1, first, true};
  const std::size_t bytes = first >= 0xF0U ? 4 : first >= 0xE0U ? 3 : 2;
  if (first < 0xC2U || first > 0xF4U || begin + bytes > text.size()) return {};
  char32_t code = first & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if (!is_continuation_byte(text[begin + i])) return {};
    code = (code << 6U) | (static_cast<unsigned char>(text[begin + i]) & 0x3FU);
  }
  constexpr char32_t least[] = {0x80, 0x800, 0x10000};
  const bool valid = code >= least[bytes - 2] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
  return {valid ? bytes : 1, code, valid};
}

// What steers a terminal, or shows text in another order than it is read: C0, C1 and the bidirectional
// controls of Unicode (UAX #9, table 2-1).
bool is_control(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x61C || code == 0x200E || code == 0x200F ||
         (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

// `text` with what `replace` returns for every control character and every byte that is not UTF-8.
template <typename Replace>
std::string without_controls(std::string_view text, const Replace& replace) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Character character = character_at(text, i);
    const std::string_view bytes = text.substr(i, character.bytes);
    if (character.valid && !is_control(character.code)) out += bytes;
    else out += replace(bytes);
    i += character.bytes;
  }
  return out;
}

// Such as the last lines that a program said.
std::string indented_lines(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  std::string out;
  for (std::size_t end = 0; end != std::string_view::npos; text.remove_prefix(std::min(end + 1, text.size()))) {
    end = text.find('\n');
    if (!out.empty()) out += "\n       ";
    out += printable(text.substr(0, end));
    if (end == std::string_view::npos) break;
  }
  return out;
}

}  // namespace

std::string SourceLocation::to_string() const {
  return fmt::format("{}:{}:{}", file ? printable(file->name) : "?", line, column);
}

std::string SourceLocation::line_text() const {
  if (!file) return {};
  std::string_view rest = file->text;
  for (std::size_t i = 1; i < line; ++i) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return {};
    rest.remove_prefix(end + 1);
  }
  std::string text(rest.substr(0, std::min(rest.find('\n'), rest.size())));
  if (!text.empty() && text.back() == '\r') text.pop_back();
  return without_controls(text, [](std::string_view bytes) { return bytes == "\t" ? "\t" : "?"; });
}

void Diagnostics::add(Diagnostic diagnostic) {
  if (diagnostic.severity == Severity::error) ++errors_;
  items_.push_back(std::move(diagnostic));
}

void Diagnostics::error(const SourceLocation& where, std::string summary, std::string remedy) {
  add({Severity::error, std::move(summary), {}, std::move(remedy), {}, where});
}

void Diagnostics::warning(const SourceLocation& where, std::string summary, std::string remedy) {
  add({Severity::warning, std::move(summary), {}, std::move(remedy), {}, where});
}

std::string render(const Diagnostic& diagnostic, bool color) {
  const Style style = style_of(diagnostic.severity);
  std::string out;
  if (diagnostic.where) out += diagnostic.where->to_string() + ": ";
  out += color ? fmt::format("{}{}:\033[0m ", style.color, style.name) : fmt::format("{}: ", style.name);
  if (!diagnostic.address.empty()) out += diagnostic.address + ": ";
  out += printable(diagnostic.summary) + '\n';
  if (diagnostic.where) {
    constexpr std::size_t max_shown = 160;
    const std::string line = diagnostic.where->line_text();
    if (!line.empty() && line.size() <= max_shown) {
      out += "    " + line + "\n    ";
      out += caret_line(line, diagnostic.where->column, diagnostic.where->length) + '\n';
    }
  }
  if (!diagnostic.why.empty()) out += "  why: " + indented_lines(diagnostic.why) + '\n';
  if (!diagnostic.remedy.empty()) out += "  next: " + printable(diagnostic.remedy) + '\n';
  return out;
}

std::string printable(std::string_view text) {
  return without_controls(text, [](std::string_view bytes) {
    std::string out;
    for (const char byte : bytes) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    return out;
  });
}

namespace {

// The length of a control sequence at the start of `text` (ECMA-48: ESC [, parameters, intermediates, a final byte);
// 0 if there is none.
std::size_t control_sequence_at(std::string_view text) {
  if (text.substr(0, 2) != "\033[") return 0;
  std::size_t i = 2;
  const auto is_between = [&](char low, char high) { return i < text.size() && text[i] >= low && text[i] <= high; };
  while (is_between('0', '?')) ++i;
  while (is_between(' ', '/')) ++i;
  return is_between('@', '~') ? i + 1 : 0;
}

}  // namespace

std::string printable_lines(std::string_view text) {
  std::string out;
  std::string piece;
  const auto flush = [&] {
    out += printable(piece);
    piece.clear();
  };
  for (std::size_t i = 0; i < text.size();) {
    if (const std::size_t length = control_sequence_at(text.substr(i)); length > 0) {
      i += length;
      continue;
    }
    const char c = text[i++];
    if (c == '\r' && i < text.size() && text[i] == '\n') continue;
    if (c == '\n' || c == '\r' || c == '\t') {
      flush();
      out += c == '\t' ? '\t' : '\n';
    } else {
      piece += c;
    }
  }
  flush();
  return out;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  if (word.size() > 64) return {};
  for (const std::string_view candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const std::size_t substituted = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return std::string(best);
}

}  // namespace gpuplan
