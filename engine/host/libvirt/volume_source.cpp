#include "host/libvirt/volume_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "host/host_error.h"

namespace gpuplan {
namespace {

using Kind = HostError::Kind;

HostError cannot_read(const std::string& path, int error) {
  return HostError(kind_of_errno(error), path,
                   "cannot read the disk image " + path + ": " + words_for_errno(error));
}

bool same_content(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

std::size_t TextSource::next(char* buffer, std::size_t space) {
  const std::size_t count = std::min(space, text_.size() - done_);
  std::memcpy(buffer, text_.data() + done_, count);
  done_ += count;
  return count;
}

// O_NONBLOCK: a pipe in its place is not waited for.
ImageFile::ImageFile(const std::string& path, const std::string& sha256)
    : path_(path), sha256_(sha256), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (!file_ || ::fstat(file_.get(), &begun_) != 0) throw cannot_read(path_, errno);
  if (S_ISDIR(begun_.st_mode)) throw cannot_read(path_, EISDIR);
  if (!S_ISREG(begun_.st_mode)) {
    throw HostError(Kind::refused, path_,
                    fmt::format("the disk image {} is no regular file; name a file by image.path in the spec", path_));
  }
  capacity_ = ImageFile::size();
  read_header();
}

std::size_t ImageFile::read_some(char* buffer, std::size_t space) {
  for (;;) {
    const ssize_t count = ::read(file_.get(), buffer, space);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (!interrupted_call(count)) throw cannot_read(path_, errno);
  }
}

void ImageFile::read_header() {
  constexpr std::string_view magic = "QFI\xfb";
  constexpr std::size_t capacity_at = 24;  // 8 bytes, big-endian
  header_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(ImageFile::size(), capacity_at + 8)));
  std::size_t done = 0;
  while (const std::size_t count = read_some(header_.data() + done, header_.size() - done)) done += count;
  header_.resize(done);
  if (header_.size() < capacity_at + 8 || header_.compare(0, magic.size(), magic) != 0) return;
  format_ = "qcow2";
  capacity_ = 0;
  for (std::size_t i = capacity_at; i < header_.size(); ++i) {
    capacity_ = capacity_ << 8U | static_cast<unsigned char>(header_[i]);
  }
}

std::size_t ImageFile::next(char* buffer, std::size_t space) {
  std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(space, size() - given_));
  if (given_ < header_.size()) {
    count = header_.copy(buffer, count, static_cast<std::size_t>(given_));
  } else {
    count = count == 0 ? 0 : read_some(buffer, count);
  }
  digest_.add({buffer, count});
  given_ += count;
  return count;
}

void ImageFile::require_right() {
  const std::string found = digest_.hex();
  if (!sha256_.empty() && found != sha256_) {
    throw HostError(Kind::refused, path_,
                    fmt::format("the disk image {} has the SHA-256 {}, not {}; fetch it again, or correct image.sha256 in the "
                                "spec",
                                path_, found, sha256_));
  }
  struct stat ended {};
  if (::fstat(file_.get(), &ended) != 0) throw cannot_read(path_, errno);
  if (given_ == size() && same_content(begun_, ended)) return;
  throw HostError(Kind::refused, path_,
                  fmt::format("the disk image {} was changed while it was copied, and the copy was thrown away; run the same "
                              "command again when nobody writes to it any more",
                              path_));
}

}  // namespace gpuplan
