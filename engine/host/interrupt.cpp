#include "host/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <mutex>

namespace gpuplan {
namespace {

std::atomic<int> first_signal{0};
// Readable once a signal has come: what sleepers poll. Never closed, never emptied by them.
std::array<int, 2> wake_pipe{-1, -1};
std::once_flag pipe_made;

void make_pipe() {
  std::call_once(pipe_made, [] {
    if (pipe2(wake_pipe.data(), O_CLOEXEC | O_NONBLOCK) != 0) wake_pipe = {-1, -1};
  });
}

void on_signal(int number) {
  int expected = 0;
  if (!first_signal.compare_exchange_strong(expected, number)) {
    // A terminal that closes hangs up more than once: the kernel does, and then the shell. Nobody asked twice.
    if (number != SIGHUP) _exit(128 + number);
    return;
  }
  const char byte = 1;
  if (wake_pipe[1] >= 0 && write(wake_pipe[1], &byte, 1) < 0) return;
}

}  // namespace

void Interrupt::install_handlers() {
  make_pipe();
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool Interrupt::requested() noexcept { return first_signal.load() != 0; }

int Interrupt::signal_number() noexcept { return first_signal.load(); }

void Interrupt::sleep_for(std::chrono::milliseconds duration) {
  make_pipe();
  if (requested() || duration.count() <= 0) return;
  struct pollfd wait {wake_pipe[0], POLLIN, 0};
  const auto deadline = std::chrono::steady_clock::now() + duration;
  while (!requested()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return;
    poll(&wait, 1, static_cast<int>(left.count()));
  }
}

void Interrupt::request(int signal_number) noexcept {
  make_pipe();
  first_signal = signal_number;
  char byte = 1;
  if (signal_number != 0) {
    if (write(wake_pipe[1], &byte, 1) < 0) return;
  } else {
    while (read(wake_pipe[0], &byte, 1) > 0) {}
  }
}

}  // namespace gpuplan
