#include "host/local/child_process.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace gpuplan {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds look_again_after{20};
constexpr int died_of_signal = 128;
// What a shell says about a program whose end nobody could observe.
constexpr int unknown_status = 255;

// Nothing while the child runs.
std::optional<int> reap_if_ended(pid_t child) {
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG) != 0) {
    // ECHILD: the program was started with SIGCHLD ignored, the kernel has thrown the status away.
    return errno == ECHILD ? std::optional(unknown_status) : std::nullopt;
  }
  if (info.si_pid == 0) return std::nullopt;
  return info.si_code == CLD_EXITED ? info.si_status : died_of_signal + info.si_status;
}

}  // namespace

int milliseconds_until(SteadyTime deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
  constexpr std::int64_t one_day = 24L * 3600 * 1000;
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, one_day));
}

Descriptor open_pidfd(pid_t child) { return Descriptor(static_cast<int>(syscall(SYS_pidfd_open, child, 0))); }

std::optional<int> wait_for_child(pid_t child, const Descriptor& pidfd, SteadyTime deadline) {
  for (;;) {
    if (const auto status = reap_if_ended(child)) return status;
    int left = milliseconds_until(deadline);
    if (left == 0) return std::nullopt;
    if (!pidfd) left = std::min(left, static_cast<int>(look_again_after.count()));
    pollfd wait{pidfd.get(), POLLIN, 0};
    poll(&wait, pidfd ? 1 : 0, left);
  }
}

void AbandonedChildren::add(pid_t child) {
  const std::lock_guard lock(mutex_);
  children_.push_back(child);
}

void AbandonedChildren::reap() {
  const std::lock_guard lock(mutex_);
  std::erase_if(children_, [](pid_t child) { return reap_if_ended(child).has_value(); });
}

std::size_t AbandonedChildren::count() {
  const std::lock_guard lock(mutex_);
  return children_.size();
}

}  // namespace gpuplan
