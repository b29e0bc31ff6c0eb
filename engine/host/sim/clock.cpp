#include "host/sim/clock.h"

#include <algorithm>

#include "host/interrupt.h"

namespace gpuplan::sim {

VirtualClock::VirtualClock(std::int64_t start, std::int64_t speed)
    : speed_(speed), opened_(std::chrono::steady_clock::now()), base_ms_(start * 1000) {}

std::int64_t VirtualClock::milliseconds() {
  const auto real = std::chrono::steady_clock::now() - opened_;
  const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(real).count() * speed_ / 1000;
  const std::lock_guard<std::mutex> lock(mutex_);
  return base_ms_ + passed;
}

std::int64_t VirtualClock::now() { return milliseconds() / 1000; }

void VirtualClock::sleep_for(std::chrono::milliseconds duration) {
  if (duration.count() <= 0) return;
  has_slept_ = true;
  if (speed_ == 0) {
    // Also when interrupted: it costs nothing, and who waits for a deadline must reach it.
    const std::lock_guard<std::mutex> lock(mutex_);
    base_ms_ += duration.count();
    return;
  }
  // At least one millisecond, so that waiting in a loop never becomes busy.
  Interrupt::sleep_for(std::chrono::milliseconds(std::max<std::int64_t>(duration.count() / speed_, 1)));
}

void VirtualClock::move_to(std::int64_t time) {
  const std::int64_t behind = time * 1000 - milliseconds();
  if (behind <= 0) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  base_ms_ += behind;
}

}  // namespace gpuplan::sim
