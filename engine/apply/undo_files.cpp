#include "apply/undo_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "apply/journal.h"
#include "digest/digest.h"
#include "host/files/descriptor.h"
#include "host/files/durable_files.h"
#include "host/host_error.h"

namespace gpuplan {
namespace {

constexpr std::string_view prefix = "file ";
constexpr std::size_t sha256_digits = 64;

struct Reference {
  std::string name, sha256;
};

Reference parse_reference(std::string_view text) {
  text.remove_prefix(prefix.size());
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || text.size() != space + 1 + sha256_digits ||
      text.substr(0, space).find('/') != std::string_view::npos) {
    throw JournalError("the journal names a file of undo data in a way that gpuplan does not; restore the journal from "
                       "a backup", true);
  }
  return {std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
}

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw JournalError(fmt::format("the undo data {} {}; restore it from a backup of the state directory", path, what), true);
}

std::string read_private(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) refuse(path, errno == ELOOP ? "is a symbolic link" : "cannot be read: " + words_for_errno(errno));
  struct stat status {};
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) refuse(path, "is not a regular file");
  if ((status.st_uid != geteuid() && status.st_uid != 0) || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    refuse(path, "can be changed by other users, so it cannot be trusted");
  std::string content;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (interrupted_call(count)) continue;
    if (count < 0) refuse(path, "cannot be read: " + words_for_errno(errno));
    if (count == 0) return content;
    content.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace

bool UndoFiles::is_reference(std::string_view text) { return text.substr(0, prefix.size()) == prefix; }

std::string UndoFiles::keep(std::int64_t run, std::size_t change, const std::string& data) const {
  const std::string name = fmt::format("run-{}-change-{}.json", run, change);
  try {
    make_directories(directory_, 0700);
    replace_file(directory_ + "/" + name, data, 0600);
  } catch (const HostError& error) {
    throw JournalError(fmt::format("{}; without undo data nothing is changed", error.what()));
  }
  return fmt::format("{}{} {}", prefix, name, sha256_hex(data));
}

std::string UndoFiles::read(std::string_view reference) const {
  const Reference wanted = parse_reference(reference);
  const std::string path = directory_ + "/" + wanted.name;
  std::string data = read_private(path);
  if (sha256_hex(data) != wanted.sha256) refuse(path, "is not what gpuplan wrote");
  return data;
}

void UndoFiles::remove_others(const std::set<std::string>& references) const {
  std::set<std::string> needed;
  for (const std::string& reference : references) needed.insert(parse_reference(reference).name);
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory_, error), end; !error && entry != end; entry.increment(error)) {
    if (needed.count(entry->path().filename().string()) > 0) continue;
    try {
      remove_file_durably(entry->path().string());
    } catch (const HostError& failure) {
      throw JournalError(fmt::format("{}; it holds secrets that are not needed any more: remove it", failure.what()));
    }
  }
}

}  // namespace gpuplan
