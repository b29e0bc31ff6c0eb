#include "loader/module_place.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "host/host_error.h"

namespace gpuplan {
namespace {

// For a command that can be pasted into a shell.
std::string quoted(const std::string& path) {
  std::string out = "'";
  for (const char c : path) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

// `holds_modules`: the module itself, or the directory in which it stands.
PlaceProblem problem_of_one(const std::string& path, bool holds_modules) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return {fmt::format("{}: {}", path, words_for_errno(errno)), "check the path"};
  if (status.st_uid != 0) {
    return {fmt::format("{} belongs to user id {}, not to root, who runs gpuplan", path, status.st_uid),
            fmt::format("make sure that what is in it may run as root, then `chown root:root {}`", quoted(path))};
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0) return {};
  // In a sticky directory such as /tmp others can neither rename nor replace what root owns, so a tree of
  // root's below it is safe; but they can add modules to it, so it may not hold any itself.
  const bool sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  if (sticky && !holds_modules) return {};
  const std::string why =
      fmt::format("{} can be written by others than root (mode {:04o})", path, status.st_mode & 07777U);
  if (sticky) {
    return {why, fmt::format("move the modules into a directory of root's own: `install -d -m 0755 {}`",
                             quoted((path == "/" ? "" : path) + "/gpuplan-plugins"))};
  }
  return {why, fmt::format("make sure that what is in it may run as root, then `chmod go-w {}`", quoted(path))};
}

}  // namespace

PlaceProblem place_problem(const std::string& path) {
  struct stat status {};
  const bool is_directory = lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  std::string part = path;
  // A module's own directory counts as much as the module.
  for (int level = is_directory ? 1 : 0;; ++level) {
    PlaceProblem problem = problem_of_one(part, level <= 1);
    if (!problem.why.empty() || part == "/") return problem;
    const std::size_t slash = part.rfind('/');
    part = slash == 0 ? "/" : part.substr(0, slash);
  }
}

}  // namespace gpuplan
