#include "property/random_cases.h"

#include <cstdlib>

namespace property {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? fallback : std::stoull(text);
}

}  // namespace

Campaign campaign(std::size_t default_iterations) {
  return {from_environment("GPUPLAN_SEED", 1), from_environment("GPUPLAN_ITERATIONS", default_iterations)};
}

std::string replay_words(std::uint64_t seed) {
  return "replay with GPUPLAN_SEED=" + std::to_string(seed) + " GPUPLAN_ITERATIONS=1";
}

}  // namespace property
