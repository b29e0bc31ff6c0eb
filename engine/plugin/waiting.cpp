#include "plugin/waiting.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan {
namespace {

constexpr std::int64_t longest = 86'400;  // of a timeout

// As the spec writes it: "90s", "15m", "2h".
std::string as_in_spec(std::int64_t seconds) {
  if (seconds != 0 && seconds % 3600 == 0) return fmt::format("{}h", seconds / 3600);
  if (seconds != 0 && seconds % 60 == 0) return fmt::format("{}m", seconds / 60);
  return fmt::format("{}s", seconds);
}

}  // namespace

std::string waited_in_vain(const std::string& what, std::int64_t limit_seconds) {
  return fmt::format("waited {} for {}, in vain", as_in_spec(limit_seconds), what);
}

std::string more_time(const std::string& key, std::int64_t limit_seconds) {
  return fmt::format("more time: `timeouts: {{{}: {}}}` in the spec", key, as_in_spec(std::min(2 * limit_seconds, longest)));
}

}  // namespace gpuplan
