// Waiting for children without ever blocking on one that cannot end.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <vector>

#include "host/files/descriptor.h"

namespace gpuplan {

using SteadyTime = std::chrono::steady_clock::time_point;

// Milliseconds from now until `deadline` for poll(2): rounded up, at least 0.
int milliseconds_until(SteadyTime deadline);

// A descriptor that becomes readable when the child ends; none where the kernel has no pidfd_open(2).
Descriptor open_pidfd(pid_t child);

// Waits until `child` has ended or `deadline` has passed, and reaps it in the former case. The result
// is its exit status, 128+N if signal N killed it; nothing at the deadline. Never changes or waits for
// SIGCHLD. `pidfd` may be none: the child is then looked at every few milliseconds.
std::optional<int> wait_for_child(pid_t child, const Descriptor& pidfd, SteadyTime deadline);

// Children that were killed but may sit in the kernel for ever: reaped when they happen to end.
// Thread-safe.
class AbandonedChildren {
 public:
  void add(pid_t child);
  // Takes away those that ended since; never blocks.
  void reap();
  std::size_t count();

 private:
  std::mutex mutex_;
  std::vector<pid_t> children_;
};

}  // namespace gpuplan
