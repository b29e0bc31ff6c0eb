#include <unistd.h>

#include <optional>
#include <string>

#include "host/files/descriptor.h"
#include "host/local/file_access_protocol.h"
#include "host/local/local_host.h"

namespace gpuplan {
namespace {

// Less than `size` bytes if the stream ended before.
std::string read_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = read(STDIN_FILENO, bytes.data() + done, size - done);
    if (interrupted_call(count)) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

bool write_bytes(const std::string& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count = write(STDOUT_FILENO, bytes.data() + done, bytes.size() - done);
    if (interrupted_call(count)) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

int run_file_access_child() {
  // An abandoned child must not keep a mount busy.
  if (chdir("/") != 0) return 1;
  // From here on an answer takes as long as the kernel takes for it.
  if (!write_bytes(encode(FileAnswer{}))) return 1;
  for (;;) {
    const std::string header = read_bytes(frame_header_size);
    if (header.empty()) return 0;
    const auto length = frame_length(header, FrameKind::request);
    if (!length) return 1;
    const auto request = decode_request(read_bytes(*length));
    if (!request || !write_bytes(encode(perform(*request)))) return 1;
  }
}

}  // namespace gpuplan
