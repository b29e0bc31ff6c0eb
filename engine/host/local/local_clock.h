// The clock of this machine.
#pragma once

#include <chrono>
#include <functional>

#include "host/ports.h"

namespace gpuplan {

// The system's time as it was when this object was made, and from then on the time that has passed: limits keep their
// length although somebody, or NTP, sets the system's clock meanwhile. Thread-safe.
class LocalClock : public Clock {
 public:
  using Seconds = std::function<std::int64_t()>;
  LocalClock() : LocalClock(system_seconds, steady_seconds) {}
  // For tests: with other sources of the system's time and of time that passes.
  LocalClock(const Seconds& system, Seconds steady);

  std::int64_t now() override { return began_ + (steady_() - began_steady_); }
  void sleep_for(std::chrono::milliseconds duration) override;

 private:
  static std::int64_t system_seconds();
  static std::int64_t steady_seconds();

  const Seconds steady_;
  const std::int64_t began_;
  const std::int64_t began_steady_;
};

}  // namespace gpuplan
