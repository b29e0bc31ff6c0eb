#include "loader/module_place.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "host/host_error.h"

namespace gpuplan {
namespace {

std::string problem_of_one(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return fmt::format("{}: {}", path, words_for_errno(errno));
  if (status.st_uid != 0) return fmt::format("{} belongs to user id {}, not to root", path, status.st_uid);
  // A sticky directory such as /tmp is no exception: others can still add modules to it.
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fmt::format("{} can be written by others than root (mode {:04o})", path, status.st_mode & 07777U);
  }
  return {};
}

}  // namespace

std::string place_problem(const std::string& path) {
  std::string part = path;
  while (true) {
    std::string problem = problem_of_one(part);
    if (!problem.empty() || part == "/") return problem;
    const std::size_t slash = part.rfind('/');
    part = slash == 0 ? "/" : part.substr(0, slash);
  }
}

}  // namespace gpuplan
