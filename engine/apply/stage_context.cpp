#include "apply/stage_context.h"

#include <fmt/format.h>

#include "plan/call_watch.h"
#include "report/log.h"

namespace gpuplan {

void StageContext::progress(const std::string& text) {
  CallWatch::sign_of_life();
  progress_(text);
}

void StageContext::log(const std::string& text) {
  CallWatch::sign_of_life();
  log_debug(text);
}

void StageContext::keep_output(const std::string& node, const std::string& title, const std::string& text) {
  CallWatch::sign_of_life();
  node_logs_.append(node, clock_.now(), title, text);
}

void StageContext::wait_until(const std::string& what, std::chrono::seconds limit, std::chrono::milliseconds poll,
                              const std::function<bool()>& ready) {
  const std::int64_t deadline = clock_.now() + limit.count();
  while (true) {
    CallWatch::sign_of_life(std::chrono::ceil<std::chrono::seconds>(poll));
    if (Interrupt::requested()) throw Interrupted();
    if (ready()) return;
    if (clock_.now() >= deadline) {
      throw HostError(HostError::Kind::timed_out, what,
                      fmt::format("{} did not happen within {}", what, duration_text(limit)));
    }
    clock_.sleep_for(poll);
  }
}

std::string duration_text(std::chrono::seconds duration) {
  const auto seconds = duration.count();
  if (seconds != 0 && seconds % 3600 == 0) return fmt::format("{}h", seconds / 3600);
  if (seconds != 0 && seconds % 60 == 0) return fmt::format("{}m", seconds / 60);
  return fmt::format("{}s", seconds);
}

}  // namespace gpuplan
