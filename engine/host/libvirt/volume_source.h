// Where the bytes of a volume come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>

namespace gpuplan {

class VolumeSource {
 public:
  virtual ~VolumeSource() = default;
  virtual std::uint64_t size() const = 0;
  // Puts the next bytes into `buffer` and returns how many; 0 at the end. Throws HostError.
  virtual std::size_t next(char* buffer, std::size_t space) = 0;
};

// A text in memory, which must outlive this object.
class TextSource : public VolumeSource {
 public:
  explicit TextSource(const std::string& text) : text_(text) {}
  std::uint64_t size() const override { return text_.size(); }
  std::size_t next(char* buffer, std::size_t space) override;

 private:
  const std::string& text_;
  std::size_t done_ = 0;
};

// A disk image in a file.
class ImageFile : public VolumeSource {
 public:
  explicit ImageFile(const std::string& path);  // throws HostError if it cannot be read
  std::uint64_t size() const override { return size_; }
  std::size_t next(char* buffer, std::size_t space) override;

  // SHA-256 of the whole file; reads it once and goes back to its start.
  std::string sha256();
  // "qcow2" by its magic number (QEMU docs/interop/qcow2.txt), else "raw".
  const std::string& format() const { return format_; }
  // What the guest sees of it: the size in a qcow2 header, else the file's.
  std::uint64_t capacity() const { return capacity_; }

 private:
  void read_header();

  const std::string path_;
  std::ifstream file_;
  std::uint64_t size_ = 0;
  std::uint64_t capacity_ = 0;
  std::string format_ = "raw";
};

}  // namespace gpuplan
