// A file layer below SQLite for rehearsals: what was not synced is lost with the process, as in a power cut.
#pragma once

#include <memory>

#include "host/guard/disk_faults.h"

namespace gpuplan {

// While it lives, a connection that is opened with name() as its file layer keeps in memory what it has written to a
// database and the logs beside it, and passes that on when it syncs the file or closes it: killed in between, the
// process takes it along. All connections of this process see it meanwhile. A file's removal is durable at once.
// Must outlive its connections. Thread-safe.
class FaultyDisk {
 public:
  // `hook` is asked before each write, truncation and sync, and decides whether it fails.
  explicit FaultyDisk(DiskHook hook);
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  const char* name() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace gpuplan
