#include "report/shell.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "report/diagnostic.h"

namespace gpuplan {
namespace {

std::string& repeated_flags() {
  static std::string flags;
  return flags;
}

}  // namespace

std::string shell_quoted(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
  });
  if (plain) return word;
  const bool steers_terminal = printable(word) != word;
  std::string out;
  for (const char c : word) {
    if (c == '\'') out += steers_terminal ? "\\'" : "'\\''";
    else if (c == '\\' && steers_terminal) out += "\\\\";
    else out += c;
  }
  // $'…' reads the very escapes that printable() writes.
  return steers_terminal ? "$'" + printable(out) + "'" : "'" + out + "'";
}

std::string suggested(const std::string& words) { return "gpuplan " + words + repeated_flags(); }

void repeat_in_suggestions(std::string flags) { repeated_flags() = std::move(flags); }

}  // namespace gpuplan
