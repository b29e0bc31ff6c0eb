#include "apply/node_logs.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "host/host_error.h"
#include "report/log.h"

namespace gpuplan {
namespace {

std::string utc(std::int64_t seconds) {
  const std::time_t time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", parts);
}

// True if all of it was written.
bool write_all(int file, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(file, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

std::string NodeLogs::path(const std::string& node) const {
  return directory_.empty() ? "" : fmt::format("{}/{}.log", directory_, node);
}

void NodeLogs::append(const std::string& node, std::int64_t time, const std::string& title, const std::string& text) {
  if (directory_.empty()) return;
  const std::string entry =
      fmt::format("--- {} {}\n{}{}", utc(time), title, text, text.empty() || text.back() == '\n' ? "" : "\n");
  const std::lock_guard<std::mutex> lock(mutex_);
  ::mkdir(directory_.c_str(), 0700);  // what stands against it is said by open()
  const int file = ::open(path(node).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool written = file >= 0 && write_all(file, entry);
  if (!written) log_line(LogLevel::error, fmt::format("cannot write {}: {}", path(node), words_for_errno(errno)));
  if (file >= 0) ::close(file);
}

}  // namespace gpuplan
