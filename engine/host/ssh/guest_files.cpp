#include "host/ssh/guest_files.h"

#include <fmt/format.h>

#include <sstream>

#include "report/diagnostic.h"

namespace gpuplan {
namespace {

constexpr std::chrono::seconds transfer_limit{120};
constexpr int absent = 44;  // of the script in get_file()

}  // namespace

std::string last_line(const std::string& text) {
  std::istringstream lines(text);
  std::string line, last;
  while (std::getline(lines, line)) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) last = line;
  }
  return last;
}

std::string shown(const GuestTarget& guest) { return fmt::format("{} ({})", guest.node, guest.login_host()); }

// The scripts below are constants; what varies is handed to them as arguments.

std::optional<std::string> get_file(const CommandRunner& run, const GuestTarget& guest, const std::string& path) {
  const std::string script = fmt::format("test -e \"$1\" || exit {}; exec cat -- \"$1\"", absent);
  const Command command{{"sh", "-c", script, "get", path}, {}, transfer_limit};
  const CommandResult result = [&] {
    try {
      return run(command);
    } catch (const HostError& error) {
      if (error.kind() != HostError::Kind::timed_out) throw;
      throw HostError(error.kind(), error.subject(), error.what());  // what it printed is the file, and may be secret
    }
  }();
  if (result.exit_status == absent) return std::nullopt;
  if (result.ok()) return result.output;
  throw HostError(HostError::Kind::failed, path,
                  fmt::format("cannot read {} on {}: {}", path, shown(guest), printable(last_line(result.errors))),
                  result.errors);
}

void put_file(const CommandRunner& run, const GuestTarget& guest, const std::string& path, const std::string& content, unsigned mode) {
  constexpr const char* script =
      "umask 077; mkdir -p -- \"$(dirname -- \"$1\")\" && cat >\"$1.gpuplan-new\" && chmod \"$2\" \"$1.gpuplan-new\" "
      "&& mv -f -- \"$1.gpuplan-new\" \"$1\"";
  const Command command{{"sh", "-c", script, "put", path, fmt::format("{:04o}", mode)}, content, transfer_limit};
  const CommandResult result = run(command);
  if (result.ok()) return;
  throw HostError(HostError::Kind::failed, path,
                  fmt::format("cannot write {} on {}: {}", path, shown(guest), printable(last_line(result.errors))),
                  result.errors);
}

void remove_file(const CommandRunner& run, const GuestTarget& guest, const std::string& path) {
  const Command command{{"rm", "-f", "--", path}, {}};
  const CommandResult result = run(command);
  if (result.ok()) return;
  throw HostError(HostError::Kind::failed, path,
                  fmt::format("cannot remove {} on {}: {}", path, shown(guest), printable(last_line(result.errors))),
                  result.errors);
}

}  // namespace gpuplan
