#include "host/libvirt/volume_source.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <vector>

#include "digest/digest.h"
#include "host/host_error.h"

namespace gpuplan {
namespace {

HostError cannot_read(const std::string& path, int error) {
  return HostError(kind_of_errno(error), path,
                   "cannot read the disk image " + path + ": " + words_for_errno(error));
}

}  // namespace

std::size_t TextSource::next(char* buffer, std::size_t space) {
  const std::size_t count = std::min(space, text_.size() - done_);
  std::memcpy(buffer, text_.data() + done_, count);
  done_ += count;
  return count;
}

ImageFile::ImageFile(const std::string& path) : path_(path) {
  std::error_code error;
  size_ = std::filesystem::file_size(path_, error);
  if (error) throw cannot_read(path_, error.value());
  file_.open(path_, std::ios::binary);
  if (!file_) throw cannot_read(path_, errno);
  capacity_ = size_;
  read_header();
}

void ImageFile::read_header() {
  constexpr std::string_view magic = "QFI\xfb";
  constexpr std::size_t capacity_at = 24;  // 8 bytes, big-endian
  std::array<char, capacity_at + 8> header{};
  file_.read(header.data(), header.size());
  const bool whole = file_.gcount() == static_cast<std::streamsize>(header.size());
  file_.clear();
  file_.seekg(0);
  if (!whole || std::string_view(header.data(), magic.size()) != magic) return;
  format_ = "qcow2";
  capacity_ = 0;
  for (std::size_t i = capacity_at; i < header.size(); ++i) {
    capacity_ = capacity_ << 8U | static_cast<unsigned char>(header[i]);
  }
}

std::size_t ImageFile::next(char* buffer, std::size_t space) {
  file_.read(buffer, static_cast<std::streamsize>(space));
  if (file_.bad()) throw cannot_read(path_, EIO);
  return static_cast<std::size_t>(file_.gcount());
}

std::string ImageFile::sha256() {
  Sha256 digest;
  std::vector<char> buffer(1U << 20U);
  while (const std::size_t count = next(buffer.data(), buffer.size())) digest.add({buffer.data(), count});
  file_.clear();
  file_.seekg(0);
  return digest.hex();
}

}  // namespace gpuplan
