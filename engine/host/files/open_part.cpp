#include "host/files/open_part.h"

#include <fmt/format.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>

namespace gpuplan {
namespace {

constexpr int most_links = 40;  // as the kernel follows, path_resolution(7)

// Puts the names in `path` in front of those that are left to go.
void add_in_front(std::deque<std::string>& names, const std::string& path) {
  for (std::size_t end = path.size(); end != std::string::npos;) {
    const std::size_t slash = end == 0 ? std::string::npos : path.rfind('/', end - 1);
    const std::size_t begin = slash == std::string::npos ? 0 : slash + 1;
    const std::string name = path.substr(begin, end - begin);
    if (!name.empty() && name != ".") names.push_front(name);
    end = slash;
  }
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::optional<OpenPart> judge(const std::string& path, const struct stat& facts, bool strict) {
  using Why = OpenPart::Why;
  if (facts.st_uid != 0) return OpenPart{Why::foreign, path, facts.st_uid, 0, 0};
  if (S_ISLNK(facts.st_mode) || (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0) return std::nullopt;
  const bool sticky = S_ISDIR(facts.st_mode) && (facts.st_mode & S_ISVTX) != 0;
  if (sticky && !strict) return std::nullopt;
  return OpenPart{sticky ? Why::sticky : Why::writable, path, 0, facts.st_mode & 07777U, 0};
}

}  // namespace

std::optional<OpenPart> open_part(const std::string& path, std::size_t strict) {
  const auto unreadable = [](const std::string& part, int error) {
    return OpenPart{OpenPart::Why::unreadable, part, 0, 0, error};
  };
  std::deque<std::string> names;
  add_in_front(names, path);
  names.emplace_front(".");  // of /
  std::string at;            // empty: /
  for (int links = 0; !names.empty();) {
    const std::string name = names.front();
    names.pop_front();
    if (name != ".") at = name == ".." ? parent_of(at) : at + '/' + name;
    const std::string part = at.empty() ? "/" : at;
    struct stat facts {};
    if (lstat(part.c_str(), &facts) != 0) return unreadable(part, errno);
    if (auto open = judge(part, facts, names.size() < strict)) return open;
    if (!S_ISLNK(facts.st_mode)) continue;
    std::array<char, PATH_MAX> target{};
    const ssize_t size = readlink(part.c_str(), target.data(), target.size());
    if (size < 0 || ++links > most_links) return unreadable(part, size < 0 ? errno : ELOOP);
    const std::string leads_to(target.data(), static_cast<std::size_t>(size));
    add_in_front(names, leads_to);
    at = leads_to.rfind('/', 0) == 0 ? "" : parent_of(at);
  }
  return std::nullopt;
}

std::string to_words(const OpenPart& part) {
  return part.why == OpenPart::Why::foreign ? fmt::format("belongs to user id {}", part.owner)
                                            : fmt::format("can be written by others (mode {:04o})", part.mode);
}

}  // namespace gpuplan
