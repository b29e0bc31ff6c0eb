#include "bench/graph_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <random>

namespace bench {
namespace {

constexpr std::size_t needs_per_node = 3;
constexpr std::uint64_t seed = 20240229;

}  // namespace

std::vector<std::vector<std::size_t>> graph_shape(std::size_t count) {
  std::mt19937_64 random(seed);
  std::vector<std::vector<std::size_t>> out(count);
  for (std::size_t node = 1; node < count; ++node) {
    std::vector<std::size_t>& needs = out[node];
    while (needs.size() < std::min(node, needs_per_node)) {
      const std::size_t need = random() % node;  // the distributions of <random> differ between libraries
      if (std::find(needs.begin(), needs.end(), need) == needs.end()) needs.push_back(need);
    }
  }
  return out;
}

std::string node_name(std::size_t node) { return fmt::format("r{:07}", node); }

std::size_t node_of(std::string_view name) {
  std::size_t node = 0;
  std::from_chars(name.data() + 1, name.data() + name.size(), node);
  return node;
}

}  // namespace bench
