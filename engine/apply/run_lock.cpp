#include "apply/run_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "apply/journal.h"
#include "host/host_error.h"

namespace gpuplan {
namespace {

constexpr std::size_t max_holder_bytes = 4096;

[[noreturn]] void fail(const std::string& path, int error_number) {
  const std::string_view reason = error_number == ELOOP ? "it is a symbolic link" : "";
  throw JournalError(fmt::format("cannot open the lock {}: {}; {}", path,
                                 reason.empty() ? words_for_errno(error_number) : std::string(reason),
                                 error_number == EACCES ? "run gpuplan as the user who owns its directory"
                                                        : "check its directory or use another --state-dir"));
}

// flock(2) without waiting; false if another process holds it.
bool lock_now(int descriptor, const std::string& path, int operation) {
  while (flock(descriptor, operation | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno == EINTR) continue;
    throw JournalError(
        fmt::format("cannot lock {}: {}; use a --state-dir on a local disk", path, words_for_errno(errno)));
  }
  return true;
}

// lock_holder() of another process has a shared lock for an instant. Who can share it as well knows
// that nobody holds it, and tries again.
bool take_exclusively(int descriptor, const std::string& path) {
  while (!lock_now(descriptor, path, LOCK_EX)) {
    if (!lock_now(descriptor, path, LOCK_SH)) return false;
    lock_now(descriptor, path, LOCK_UN);
    sched_yield();
  }
  return true;
}

// As much as can be read: the holder may be writing it right now.
LockHolder read_holder(int descriptor) {
  std::array<char, max_holder_bytes> buffer{};
  const ssize_t size = pread(descriptor, buffer.data(), buffer.size(), 0);
  LockHolder holder;
  if (size <= 0) return holder;
  try {
    const Json json = parse_json(std::string_view(buffer.data(), static_cast<std::size_t>(size)), "lock holder");
    holder.pid = int_at(json, "/pid");
    holder.host = string_at(json, "/host");
    holder.command = string_at(json, "/command");
    holder.since = int_at(json, "/since");
  } catch (const JsonError&) {
    return holder;
  }
  return holder;
}

void write_holder(int descriptor, const std::string& path, const LockHolder& holder) {
  LockHolder shown = holder;
  constexpr std::size_t max_command = 1024;
  if (shown.command.size() > max_command) shown.command = shown.command.substr(0, max_command) + "…";
  const Json json{{"pid", shown.pid}, {"host", shown.host}, {"command", shown.command}, {"since", shown.since}};
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  const bool written = ftruncate(descriptor, 0) == 0 &&
                       pwrite(descriptor, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  if (!written) {
    throw JournalError(
        fmt::format("cannot write the lock {}: {}; free space on its file system, then run gpuplan again", path,
                    words_for_errno(errno)));
  }
}

}  // namespace

std::unique_ptr<RunLock> RunLock::take(const std::string& path, const LockHolder& holder,
                                       std::optional<LockHolder>& other) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (descriptor < 0) fail(path, errno);
  std::unique_ptr<RunLock> lock(new RunLock(descriptor));  // closes it on every way out
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    throw JournalError(
        fmt::format("the lock {} is not a regular file; move it away or use another --state-dir", path));
  }
  if (!take_exclusively(descriptor, path)) {
    other = read_holder(descriptor);
    return nullptr;
  }
  fchmod(descriptor, 0600);
  write_holder(descriptor, path, holder);
  return lock;
}

RunLock::~RunLock() { close(descriptor_); }

std::optional<LockHolder> lock_holder(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) {
    if (errno == ENOENT) return {};
    fail(path, errno);
  }
  std::optional<LockHolder> holder;
  try {
    if (!lock_now(descriptor, path, LOCK_SH)) holder = read_holder(descriptor);
  } catch (...) {
    close(descriptor);
    throw;
  }
  close(descriptor);
  return holder;
}

}  // namespace gpuplan
