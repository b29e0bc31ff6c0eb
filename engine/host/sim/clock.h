// The simulated host's own time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

#include "host/ports.h"

namespace gpuplan::sim {

// Runs `speed` virtual seconds per real second from `start` on. With speed 0 it moves only when
// somebody sleeps, and sleeping takes no real time.
class VirtualClock : public Clock {
 public:
  VirtualClock(std::int64_t start, std::int64_t speed);

  std::int64_t now() override;
  void sleep_for(std::chrono::milliseconds duration) override;
  bool has_slept() const { return has_slept_; }
  // Never backwards: a model written by another process may be ahead of this clock.
  void move_to(std::int64_t time);

 private:
  std::int64_t milliseconds();

  const std::int64_t speed_;
  const std::chrono::steady_clock::time_point opened_;
  std::atomic<bool> has_slept_{false};
  std::mutex mutex_;
  std::int64_t base_ms_;   // virtual time when opened, and what was slept at speed 0
};

}  // namespace gpuplan::sim
