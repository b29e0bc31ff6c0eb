// Where the bytes of a volume come from.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "digest/digest.h"
#include "host/files/descriptor.h"

namespace gpuplan {

class VolumeSource {
 public:
  virtual ~VolumeSource() = default;
  virtual std::uint64_t size() const = 0;
  // Puts the next bytes into `buffer` and returns how many; 0 at the end. Throws HostError.
  virtual std::size_t next(char* buffer, std::size_t space) = 0;
  // To be called at the end, before anybody relies on what was given. Throws HostError::refused if that is not what it
  // was to be.
  virtual void require_right() = 0;
};

// A text in memory, which must outlive this object.
class TextSource : public VolumeSource {
 public:
  explicit TextSource(const std::string& text) : text_(text) {}
  std::uint64_t size() const override { return text_.size(); }
  std::size_t next(char* buffer, std::size_t space) override;
  void require_right() override {}

 private:
  const std::string& text_;
  std::size_t done_ = 0;
};

// A disk image in a file, which somebody may change meanwhile: what is judged are the bytes that were given, its header among
// them, and not what the file had before or has afterwards.
class ImageFile : public VolumeSource {
 public:
  // Throws HostError if it cannot be read. `sha256`: 64 lower-case hexadecimal digits; empty: not checked.
  explicit ImageFile(const std::string& path, const std::string& sha256 = "");
  std::uint64_t size() const override { return static_cast<std::uint64_t>(begun_.st_size); }
  std::size_t next(char* buffer, std::size_t space) override;
  void require_right() override;

  // "qcow2" by its magic number (QEMU docs/interop/qcow2.txt), else "raw".
  const std::string& format() const { return format_; }
  // What the guest sees of it: the size in a qcow2 header, else the file's.
  std::uint64_t capacity() const { return capacity_; }

 private:
  std::size_t read_some(char* buffer, std::size_t space);
  void read_header();

  const std::string path_;
  const std::string sha256_;
  Descriptor file_;
  struct stat begun_ {};
  std::string header_;  // read before anything was given
  std::uint64_t given_ = 0;
  Sha256 digest_;       // of what was given
  std::uint64_t capacity_ = 0;
  std::string format_ = "raw";
};

}  // namespace gpuplan
