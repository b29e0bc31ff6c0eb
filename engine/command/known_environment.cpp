#include "command/known_environment.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include "host/local/run_command.h"

namespace gpuplan::command {
namespace {

constexpr std::array<std::string_view, 20> known = {
    "HOME",      "PATH",       "USER",        "LOGNAME",     "TERM",       "LANG",       "TZ",
    "NO_COLOR",  "CLICOLOR",   "CLICOLOR_FORCE", "KUBECONFIG", "http_proxy", "https_proxy", "all_proxy",
    "no_proxy",  "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",   "NO_PROXY",   "LANGUAGE"};
constexpr std::array<std::string_view, 3> known_starts = {"GPUPLAN_", "LC_", "XDG_"};
// ASAN_OPTIONS and the like, which only a build with sanitizers reads.
constexpr std::string_view known_end = "SAN_OPTIONS";

bool is_known(std::string_view variable) {
  const std::string_view name = variable.substr(0, variable.find('='));
  const auto starts_name = [&](std::string_view start) { return name.substr(0, start.size()) == start; };
  return std::find(known.begin(), known.end(), name) != known.end() ||
         std::any_of(known_starts.begin(), known_starts.end(), starts_name) ||
         (name.size() >= known_end.size() && name.substr(name.size() - known_end.size()) == known_end);
}

}  // namespace

void keep_known_environment() {
  if (environ == nullptr) return;
  char** kept = environ;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (is_known(*variable)) *kept++ = *variable;
  }
  *kept = nullptr;
  if (geteuid() != 0) return;
  std::string path;
  for (const std::string& directory : command_path()) path += (path.empty() ? "" : ":") + directory;
  setenv("PATH", path.c_str(), 1);
}

}  // namespace gpuplan::command
