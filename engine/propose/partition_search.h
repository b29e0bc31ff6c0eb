// Which NVSwitch partitions to give to workers.
#pragma once

#include <cstdint>
#include <vector>

namespace gpuplan {

struct PartitionChoice {
  std::int64_t id = 0;
  std::vector<std::size_t> gpus;  // ascending
  bool crosses_nodes = false;     // its GPUs are on several NUMA nodes
};

// Indexes of `count` choices that share no GPU: those with the most GPUs together, then with the largest smallest,
// then with the fewest across nodes, in the order of their first GPUs. Empty if there are none such. The search is
// bounded: with very many partitions the result may not be the best.
std::vector<std::size_t> choose_partitions(const std::vector<PartitionChoice>& choices, std::size_t count);

}  // namespace gpuplan
