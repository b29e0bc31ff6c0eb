// File descriptors that close themselves.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace gpuplan {

// Owns one file descriptor, or none (-1).
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }

  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  void close();

 private:
  int number_ = -1;
};

struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

// A pipe whose ends are closed on exec and are not standard streams (so that a child can move them
// onto those in any order). Throws HostError::failed. Thread-safe.
Pipe make_pipe();

// A file in memory that holds `content`, open at its start, closed on exec. What a child reads as its
// standard input: unlike a pipe it cannot fill up, and nobody needs to feed it. Throws HostError::failed.
Descriptor file_in_memory(const std::string& content);

// Writes all of `bytes`, also to a descriptor that takes them in pieces. False, with errno, if that failed. Thread-safe.
bool write_all(const Descriptor& descriptor, std::string_view bytes);

// Whether a system call with this result was cut short by a signal and has to be made again.
bool interrupted_call(std::ptrdiff_t result);
// Reads and writes then return at once. Throws HostError::failed.
void set_nonblocking(const Descriptor& descriptor);

}  // namespace gpuplan
