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

}  // namespace

std::string SourceLocation::to_string() const {
  return fmt::format("{}:{}:{}", file ? file->name : "?", line, column);
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
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20U && c != '\t') c = '?';
    if (c == '\x7f') c = '?';
  }
  return text;
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
  if (!diagnostic.why.empty()) out += "  why: " + printable(diagnostic.why) + '\n';
  if (!diagnostic.remedy.empty()) out += "  next: " + printable(diagnostic.remedy) + '\n';
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20U || byte == 0x7FU) out += fmt::format("\\x{:02x}", byte);
    else out += c;
  }
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
