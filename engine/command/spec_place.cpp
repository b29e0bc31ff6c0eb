#include "command/spec_place.h"

#include <fmt/format.h>

#include <filesystem>

#include "host/files/open_part.h"
#include "report/shell.h"

namespace gpuplan::command {

std::optional<Diagnostic> spec_place_warning(const std::string& path) {
  std::error_code error;
  // Not made normal: what ".." leads to depends on the links before it.
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return std::nullopt;
  const auto open = open_part(absolute.string(), 0);
  if (!open || open->why == OpenPart::Why::unreadable) return std::nullopt;
  const std::string safe = "/etc/gpuplan/" + absolute.filename().string();
  Diagnostic warning;
  warning.severity = Severity::warning;
  warning.summary = fmt::format("others than root can change the spec {}: {} {}", printable(path), printable(open->path),
                                to_words(*open));
  warning.why = "whoever writes it decides what root makes of this server";
  warning.remedy = fmt::format("read it, then keep it where root alone can write: `install -D -m 0644 {} {}`", shell_quoted(path),
                               shell_quoted(safe));
  return warning;
}

}  // namespace gpuplan::command
