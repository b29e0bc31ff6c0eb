// One writer per cluster at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace gpuplan {

// Who holds a lock, for people.
struct LockHolder {
  std::int64_t pid = 0;
  std::string host;      // host name of the machine that runs gpuplan
  std::string command;   // "gpuplan apply h100.yaml"
  std::int64_t since = 0;  // seconds since 1970, UTC
};

// An flock(2) on a file, released by the kernel when the process ends however it ends. The
// descriptor is close-on-exec, so no child keeps it.
class RunLock {
 public:
  // Takes the lock without waiting and writes `holder` into the file (mode 0600). Returns a null
  // pointer if another process holds it, and then fills `other` as far as it can be read.
  // Throws JournalError if the file cannot be opened or is a symlink.
  static std::unique_ptr<RunLock> take(const std::string& path, const LockHolder& holder,
                                       std::optional<LockHolder>& other);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  explicit RunLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// The holder of a lock that is held now; nothing if it is free or there is none. Does not take it.
std::optional<LockHolder> lock_holder(const std::string& path);

}  // namespace gpuplan
