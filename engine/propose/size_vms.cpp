#include <algorithm>
#include <map>

#include "propose/proposal.h"

namespace gpuplan {
namespace {

constexpr std::int64_t gib = 1024;           // in MiB
constexpr std::int64_t most_cpus = 240;      // above, QEMU's guests need an emulated IOMMU
constexpr std::int64_t host_cpus = 2;
constexpr std::int64_t least_worker_mib = 2 * gib;
constexpr std::int64_t control_overhead_mib = 512;

// What the VMs can have of one NUMA node, or of the whole host.
struct Share {
  std::int64_t memory_mib = 0;
  std::int64_t cpus = 0;
  std::int64_t gpus = 0;  // those of workers that lie here
};

std::int64_t memory_for_workers(const NumaNode& node, const std::string& hugepages) {
  if (hugepages == "1G") return node.free_hugepages_1g * gib;
  if (hugepages == "2M") return node.free_hugepages_2m * 2;
  return node.memory_mib - node.hugepages_1g * gib - node.hugepages_2m * 2;
}

// Not the sum of the nodes: where memory was plugged in after the start, the kernel may count most of it on none.
std::int64_t memory_for_workers(const Inventory& inventory, const std::string& hugepages) {
  std::int64_t on_nodes = 0, for_workers = 0;
  for (const NumaNode& node : inventory.nodes) {
    on_nodes += node.memory_mib;
    for_workers += memory_for_workers(node, hugepages);
  }
  return hugepages == "none" ? inventory.memory_mib - on_nodes + for_workers : for_workers;
}

// Memory in huge pages is of use to nobody else, so where it is most of all, it is meant for the VMs.
std::string hugepages_worth_using(const Inventory& inventory) {
  std::int64_t in_2m = 0, in_1g = 0;
  for (const NumaNode& node : inventory.nodes) {
    in_2m += node.free_hugepages_2m * 2;
    in_1g += node.free_hugepages_1g * gib;
  }
  if (in_1g > inventory.memory_mib / 2) return "1G";
  return in_2m > inventory.memory_mib / 2 ? "2M" : "none";
}

void size_control_plane(const Inventory& inventory, SpecProposal& proposal) {
  const std::int64_t memory = inventory.memory_mib;
  proposal.control_plane_mib = memory >= 240 * gib ? 16 * gib : memory >= 60 * gib ? 8 * gib : 4 * gib;
  proposal.control_plane_cpus = memory >= 240 * gib ? 8 : memory >= 60 * gib ? 4 : 2;
  proposal.reserve_mib = memory >= 120 * gib ? 16 * gib : std::max(2 * gib, memory / 8 / gib * gib);
}

// By node; the whole host under -1.
std::map<int, Share> shares_of(const Inventory& inventory, const SpecProposal& proposal) {
  std::map<int, Share> shares;
  Share& host = shares[-1];
  const std::int64_t nodes = std::max<std::int64_t>(static_cast<std::int64_t>(inventory.nodes.size()), 1);
  const bool in_pages = proposal.hugepages != "none";
  const std::int64_t apart =
      in_pages ? 0 : proposal.reserve_mib + proposal.control_plane_mib + control_overhead_mib;
  const std::int64_t apart_cpus = host_cpus * nodes + proposal.control_plane_cpus;
  // A VM needs page tables and room for QEMU beside its memory: about three parts of a hundred.
  const std::int64_t percent = in_pages ? 100 : 97;
  host.memory_mib = (memory_for_workers(inventory, proposal.hugepages) - apart) * percent / 100;
  for (const NumaNode& node : inventory.nodes) {
    Share share;
    share.memory_mib = (memory_for_workers(node, proposal.hugepages) - apart / nodes) * percent / 100;
    share.cpus = static_cast<std::int64_t>(count_processors(node.cpus)) - (apart_cpus + nodes - 1) / nodes;
    host.cpus += share.cpus;
    shares[node.number] = share;
  }
  if (inventory.nodes.empty()) host.cpus = static_cast<std::int64_t>(inventory.processors) - apart_cpus;
  for (const ProposedWorker& worker : proposal.workers) {
    for (const std::size_t index : worker.gpus) {
      const auto node = shares.find(proposal.gpus[index]->function.numa_node);
      if (node != shares.end() && node->first >= 0) ++node->second.gpus;
      ++host.gpus;
    }
  }
  return shares;
}

// Whole GiB; of much memory eighths of 64 GiB, which are easier to read.
std::int64_t rounded_down(std::int64_t memory_mib) {
  const std::int64_t step = memory_mib >= 64 * gib ? 8 * gib : gib;
  return std::max(memory_mib / step * step, least_worker_mib);
}

}  // namespace

void size_vms(const Inventory& inventory, SpecProposal& proposal) {
  proposal.hugepages = hugepages_worth_using(inventory);
  size_control_plane(inventory, proposal);
  const std::map<int, Share> shares = shares_of(inventory, proposal);
  const Share& host = shares.at(-1);
  for (ProposedWorker& worker : proposal.workers) {
    std::map<int, std::int64_t> gpus_by_node;
    for (const std::size_t index : worker.gpus) ++gpus_by_node[proposal.gpus[index]->function.numa_node];
    // Of each node as great a part as it has of the GPUs there.
    std::int64_t memory = 0, cpus = 0;
    for (const auto& [number, gpus] : gpus_by_node) {
      const auto node = shares.find(number);
      const Share& share = node == shares.end() || node->second.gpus == 0 ? host : node->second;
      memory += share.memory_mib * gpus / std::max<std::int64_t>(share.gpus, 1);
      cpus += share.cpus * gpus / std::max<std::int64_t>(share.gpus, 1);
    }
    if (worker.gpus.empty()) {
      memory = host.memory_mib / static_cast<std::int64_t>(proposal.workers.size());
      cpus = host.cpus / static_cast<std::int64_t>(proposal.workers.size());
    }
    worker.memory_mib = rounded_down(memory);
    worker.cpus = std::clamp<std::int64_t>(cpus, 1, most_cpus);
  }
}

}  // namespace gpuplan
