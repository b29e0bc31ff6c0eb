// The graphs that are measured: the same for gpuplan, ninja and make.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

// For each of `count` nodes, the earlier ones that it needs: three, chosen evenly with a fixed seed, or
// all there are for the first few. Equal on every machine and standard library.
std::vector<std::vector<std::size_t>> graph_shape(std::size_t count);

// "r0000042", and back.
std::string node_name(std::size_t node);
std::size_t node_of(std::string_view name);

}  // namespace bench
