#include "host/files/descriptor.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "host/host_error.h"

namespace gpuplan {
namespace {

constexpr int first_non_standard = 3;

[[noreturn]] void fail(const std::string& what) {
  const int error = errno;
  throw HostError(HostError::Kind::failed, what, "cannot make a " + what + ": " + words_for_errno(error));
}

Descriptor above_standard(Descriptor descriptor) {
  if (descriptor.get() >= first_non_standard) return descriptor;
  Descriptor moved(fcntl(descriptor.get(), F_DUPFD_CLOEXEC, first_non_standard));
  if (!moved) fail("file descriptor");
  return moved;
}

}  // namespace

void Descriptor::close() {
  if (number_ >= 0) ::close(std::exchange(number_, -1));
}

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe");
  Descriptor read_end(ends[0]);
  Descriptor write_end(ends[1]);
  return {above_standard(std::move(read_end)), above_standard(std::move(write_end))};
}

Descriptor file_in_memory(const std::string& content) {
  Descriptor file(memfd_create("gpuplan-input", MFD_CLOEXEC));
  if (!file) fail("file in memory");
  file = above_standard(std::move(file));
  if (!write_all(file, content)) fail("file in memory");
  if (lseek(file.get(), 0, SEEK_SET) != 0) fail("file in memory");
  return file;
}

bool write_all(const Descriptor& descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor.get(), bytes.data(), bytes.size());
    if (interrupted_call(count)) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool interrupted_call(std::ptrdiff_t result) { return result < 0 && errno == EINTR; }

void set_nonblocking(const Descriptor& descriptor) {
  const int flags = fcntl(descriptor.get(), F_GETFL);
  if (flags < 0 || fcntl(descriptor.get(), F_SETFL, flags | O_NONBLOCK) != 0) fail("pipe");
}

}  // namespace gpuplan
