// Faults of the disk that the journal of a simulated host's cluster is on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "host/guard/guarded_host.h"

namespace gpuplan {

// What a disk says to a write, a truncation or a sync.
enum class DiskAnswer { done, full, io_error, read_only };

// Asked before each of them.
using DiskHook = std::function<DiskAnswer()>;

// Counts what is written to the disk and lets faults strike. A full or read-only disk stays so, an I/O error happens
// once. Thread-safe.
class DiskFaults {
 public:
  explicit DiskFaults(const std::vector<Fault>& faults);

  // Whether the journal is to be kept on a disk that these faults know of: one of them strikes there, or is a power
  // cut, which loses what was written and not synced.
  bool concern_the_disk() const { return concern_the_disk_; }
  // Before a write, a truncation or a sync. A power cut does not return.
  DiskAnswer before_write();
  std::int64_t writes() const { return writes_.load(); }
  // Faults that found no place to strike, as they were written.
  std::vector<std::string> unstruck_faults() const;

 private:
  std::vector<Fault> faults_;  // of the disk
  bool concern_the_disk_ = false;
  std::atomic<std::int64_t> writes_{0};
};

}  // namespace gpuplan
