#include "apply/journal_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <optional>

#include "apply/journal.h"
#include "host/host_error.h"

namespace gpuplan {
namespace {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Nothing if there is no file.
std::optional<struct stat> regular_file(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return std::nullopt;
    throw JournalError(fmt::format("cannot look at the journal {}: {}; check the permissions of its directory", path,
                                   words_for_errno(errno)));
  }
  if (S_ISLNK(status.st_mode)) {
    throw JournalError(
        fmt::format("the journal {} is a symbolic link, which gpuplan does not follow; use --state-dir to name its "
                    "real directory",
                    path));
  }
  if (!S_ISREG(status.st_mode)) {
    throw JournalError(
        fmt::format("the journal {} is not a regular file; move it away or use another --state-dir", path));
  }
  return status;
}

bool one_file_is_trusted(const std::string& path) {
  const std::optional<struct stat> status = regular_file(path);
  if (!status) return false;
  if (status->st_uid != geteuid() && status->st_uid != 0) {
    throw JournalError(fmt::format(
        "the journal {} belongs to user id {}, not to user id {} that runs gpuplan; run gpuplan as that user, or use "
        "another --state-dir",
        path, status->st_uid, geteuid()), true);
  }
  if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw JournalError(fmt::format(
        "the journal {} can be written by other users (mode {:04o}), so it cannot be trusted; check who changed it, "
        "then run `chmod 0600 {}`",
        path, status->st_mode & 07777U, path), true);
  }
  return true;
}

void sync_directory(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

}  // namespace

bool journal_file_is_trusted(const std::string& path) {
  const bool present = one_file_is_trusted(path);
  one_file_is_trusted(path + "-wal");
  one_file_is_trusted(path + "-shm");
  return present;
}

void require_regular_journal_file(const std::string& path) {
  for (const char* companion : {"", "-wal", "-shm"}) regular_file(path + companion);
}

void make_journal_file(const std::string& path) {
  for (const char* companion : {"", "-journal"}) unlink((path + companion).c_str());
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    throw JournalError(fmt::format("cannot make the journal {}: {}; check the directory or use another --state-dir",
                                   path, words_for_errno(errno)));
  }
  fchmod(descriptor, 0600);  // whatever the umask took away
  close(descriptor);
}

void name_journal_file(const std::string& from, const std::string& path) {
  if (rename(from.c_str(), path.c_str()) != 0) {
    throw JournalError(fmt::format("cannot make the journal {}: {}; check the directory or use another --state-dir",
                                   path, words_for_errno(errno)));
  }
  sync_directory(directory_of(path));
}

std::string resolved_journal_path(const std::string& path) {
  const std::string directory = directory_of(path);
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(directory.c_str(), nullptr), &std::free);
  if (!real) {
    throw JournalError(
        fmt::format("cannot find the directory of the journal {}: {}; make it or use another --state-dir", path,
                    words_for_errno(errno)));
  }
  const std::size_t slash = path.rfind('/');
  return std::string(real.get()) + "/" + (slash == std::string::npos ? path : path.substr(slash + 1));
}

}  // namespace gpuplan
