#include "loader/module_place.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "host/files/open_part.h"
#include "host/host_error.h"

namespace gpuplan {
namespace {

// For a command that can be pasted into a shell.
std::string quoted(const std::string& path) {
  std::string out = "'";
  for (const char c : path) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

}  // namespace

PlaceProblem place_problem(const std::string& path) {
  struct stat status {};
  const bool is_directory = lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  // A module's own directory counts as much as the module: others can add modules to a sticky one.
  const auto open = open_part(path, is_directory ? 1 : 2);
  if (!open) return {};
  const std::string first = "make sure that what is in it may run as root, then ";
  const std::string why =
      fmt::format("{} can be written by others than root (mode {:04o})", open->path, open->mode);
  switch (open->why) {
    case OpenPart::Why::unreadable:
      return {fmt::format("{}: {}", open->path, words_for_errno(open->error)), "check the path"};
    case OpenPart::Why::foreign:
      return {fmt::format("{} belongs to user id {}, not to root, who runs gpuplan", open->path, open->owner),
              fmt::format("{}`chown root:root {}`", first, quoted(open->path))};
    case OpenPart::Why::sticky:
      return {why, fmt::format("move the modules into a directory of root's own: `install -d -m 0755 {}`",
                               quoted((open->path == "/" ? "" : open->path) + "/gpuplan-plugins"))};
    case OpenPart::Why::writable: break;
  }
  return {why, fmt::format("{}`chmod go-w {}`", first, quoted(open->path))};
}

}  // namespace gpuplan
