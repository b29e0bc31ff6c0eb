#include "host/local/local_clock.h"

#include <utility>

#include "host/interrupt.h"

namespace gpuplan {
namespace {

template <class Time>
std::int64_t seconds_of(Time time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

LocalClock::LocalClock(const Seconds& system, Seconds steady)
    : steady_(std::move(steady)), began_(system()), began_steady_(steady_()) {}

void LocalClock::sleep_for(std::chrono::milliseconds duration) { Interrupt::sleep_for(duration); }

std::int64_t LocalClock::system_seconds() { return seconds_of(std::chrono::system_clock::now()); }

std::int64_t LocalClock::steady_seconds() { return seconds_of(std::chrono::steady_clock::now()); }

}  // namespace gpuplan
