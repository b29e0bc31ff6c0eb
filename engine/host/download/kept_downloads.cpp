#include "host/download/kept_downloads.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "digest/digest.h"
#include "host/files/open_part.h"
#include "host/host_error.h"
#include "host/interrupt.h"

namespace gpuplan {
namespace {

namespace filesystem = std::filesystem;
using Kind = HostError::Kind;

constexpr const char* prefix = "image-";
constexpr std::size_t name_digits = 32;

// That nobody but root can put another directory in its place.
void require_roots_own_way(const std::string& directory) {
  if (::geteuid() != 0) return;
  const auto open = open_part(directory, 0);
  if (!open || open->why == OpenPart::Why::unreadable) return;
  throw HostError(Kind::refused, directory,
                  fmt::format("others than root can change {}, so nothing is downloaded to {}; see who made it so, then "
                              "`chown root:root {} && chmod go-w {}`",
                              open->path, directory, open->path, open->path));
}

// Makes `directory`, and refuses one that is not this user's alone.
void claim(const std::string& directory) {
  std::error_code error;
  filesystem::create_directories(filesystem::path(directory).parent_path(), error);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    const int number = errno;
    throw HostError(kind_of_errno(number), directory,
                    fmt::format("cannot make the directory {}: {}", directory, words_for_errno(number)));
  }
  struct stat status {};
  const bool read = ::lstat(directory.c_str(), &status) == 0;
  constexpr unsigned of_others = S_IWGRP | S_IWOTH;
  if (read && S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() && (status.st_mode & of_others) == 0) {
    return require_roots_own_way(directory);
  }
  throw HostError(Kind::refused, directory,
                  fmt::format("{} is not a directory in which this user alone can write, so nothing is downloaded to it; "
                              "remove it, or mend its owner and mode (0700)",
                              directory));
}

// Held while one process downloads a file; the kernel lets go of it when the process ends.
class DownloadLock {
 public:
  DownloadLock(const std::string& file, std::chrono::seconds limit)
      : descriptor_(::open((file + ".lock").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600)) {
    if (descriptor_ < 0) {
      const int error = errno;
      throw HostError(kind_of_errno(error), file, fmt::format("cannot write {}.lock: {}", file, words_for_errno(error)));
    }
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      const bool late = std::chrono::steady_clock::now() > deadline;
      if (!late && !Interrupt::requested()) {
        Interrupt::sleep_for(std::chrono::milliseconds(500));
        continue;
      }
      ::close(descriptor_);
      if (!late) throw Interrupted();
      throw HostError(Kind::timed_out, file, fmt::format("another gpuplan is still downloading {} after {} s; wait for it, or see which it is: "
                                                       "`fuser -v {}.lock`",
                                                       file, limit.count(), file));
    }
  }
  ~DownloadLock() { ::close(descriptor_); }
  DownloadLock(const DownloadLock&) = delete;
  DownloadLock& operator=(const DownloadLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace

std::string KeptDownloads::bring(const std::string& url, const std::string& sha256, std::chrono::seconds limit,
                                 const DownloadProgress& progress) const {
  if (directory_.empty()) {
    throw HostError(Kind::unsupported, url, fmt::format("cannot download {}: there is no directory for it, since HOME is not set; set HOME, or run gpuplan "
                                "as root",
                                url));
  }
  claim(directory_);
  std::string file = fmt::format("{}/{}{}", directory_, prefix, sha256_hex(url).substr(0, name_digits));
  const DownloadLock lock(file, limit);
  download({url, file, sha256, limit}, progress);
  return file;
}

void KeptDownloads::clear() const {
  std::error_code error;
  if (directory_.empty() || !filesystem::is_directory(directory_, error)) return;
  claim(directory_);
  for (const auto& entry : filesystem::directory_iterator(directory_, error)) {
    if (entry.path().filename().string().rfind(prefix, 0) == 0) ::unlink(entry.path().c_str());
  }
  ::rmdir(directory_.c_str());
}

}  // namespace gpuplan
