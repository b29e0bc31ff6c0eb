// The wish of the user to stop, seen by everything that waits.
#pragma once

#include <chrono>
#include <stdexcept>

namespace gpuplan {

// Set by a signal, read everywhere. One per process.
class Interrupt {
 public:
  // Installs handlers for SIGINT, SIGTERM and SIGHUP. The first such signal only sets the flag. The
  // second ends the process at once with 128 + its number; the journal is durable at every instant.
  // A SIGHUP is never the second: a terminal that closes sends more than one.
  static void install_handlers();
  static bool requested() noexcept;
  // The number of the first signal; 0 if there was none.
  static int signal_number() noexcept;
  // Sleeps, but returns at once when an interrupt is or becomes requested.
  static void sleep_for(std::chrono::milliseconds duration);
  // As if the signal had arrived; 0, for tests, takes it back.
  static void request(int signal_number) noexcept;
};

// Thrown by StepContext and the guarded host when the run is being interrupted. Plugins let it pass.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

}  // namespace gpuplan
