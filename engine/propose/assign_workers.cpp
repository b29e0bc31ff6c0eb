#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "host/pci/nvidia/driver.h"
#include "host/pci/nvidia/services.h"
#include "propose/partition_search.h"
#include "propose/proposal.h"

namespace gpuplan {
namespace {

// GPUs that can only be given away together, as indexes.
using Bundle = std::vector<std::size_t>;

std::vector<Bundle> bundles_of(const std::vector<const InventoryFunction*>& gpus) {
  std::vector<Bundle> bundles;
  std::map<int, std::size_t> by_group;
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    const auto group = gpus[i]->function.iommu_group;
    const auto known = group ? by_group.find(*group) : by_group.end();
    if (known != by_group.end()) {
      bundles[known->second].push_back(i);
      continue;
    }
    if (group) by_group[*group] = bundles.size();
    bundles.push_back({i});
  }
  return bundles;
}

std::set<int> nodes_of(const std::vector<const InventoryFunction*>& gpus) {
  std::set<int> nodes;
  for (const InventoryFunction* gpu : gpus) nodes.insert(gpu->function.numa_node);
  return nodes;
}

// `count` pieces of about the same number of GPUs, one after the other: they are in the order of their nodes.
std::vector<ProposedWorker> split_evenly(const std::vector<Bundle>& bundles, std::size_t count) {
  std::vector<ProposedWorker> workers(count);
  for (std::size_t i = 0; i < bundles.size(); ++i) {
    ProposedWorker& worker = workers[i * count / bundles.size()];
    worker.gpus.insert(worker.gpus.end(), bundles[i].begin(), bundles[i].end());
  }
  for (ProposedWorker& worker : workers) std::sort(worker.gpus.begin(), worker.gpus.end());
  return workers;
}

bool is_asked_for_too_many(std::size_t count, std::size_t most, SpecProposal& proposal) {
  if (count <= most) return false;
  proposal.notes.push_back(fmt::format("at most {} can be had: that is how many GPUs, or groups of GPUs that belong "
                                       "together, can be given away", most));
  return true;
}

bool has_switches(const Inventory& inventory) {
  return std::any_of(inventory.functions.begin(), inventory.functions.end(),
                     [](const InventoryFunction& item) { return item.function.is_nvswitch(); });
}

// Takes GPUs that no worker has out of the list, with a reason.
void leave_out_unassigned(SpecProposal& proposal, const std::string& reason) {
  std::set<std::size_t> used;
  for (const ProposedWorker& worker : proposal.workers) used.insert(worker.gpus.begin(), worker.gpus.end());
  std::vector<const InventoryFunction*> kept;
  std::map<std::size_t, std::size_t> places;  // by the old index
  for (std::size_t i = 0; i < proposal.gpus.size(); ++i) {
    if (used.count(i) == 0) {
      proposal.left_out.push_back({proposal.gpus[i]->function.address, reason});
      continue;
    }
    places[i] = kept.size();
    kept.push_back(proposal.gpus[i]);
  }
  proposal.gpus = std::move(kept);
  for (ProposedWorker& worker : proposal.workers) {
    for (std::size_t& index : worker.gpus) index = places.at(index);
  }
}

bool assign_partitions(const Inventory& inventory, std::size_t count, SpecProposal& proposal) {
  std::map<std::int64_t, std::size_t> by_module;
  for (std::size_t i = 0; i < proposal.gpus.size(); ++i) by_module[proposal.gpus[i]->module.value_or(0)] = i;
  std::vector<PartitionChoice> choices;
  for (const FabricPartition& partition : inventory.partitions) {
    PartitionChoice choice;
    choice.id = partition.id;
    std::set<int> nodes;
    for (const std::int64_t module : partition.modules) {
      const auto gpu = by_module.find(module);
      if (gpu == by_module.end()) break;
      choice.gpus.push_back(gpu->second);
      nodes.insert(proposal.gpus[gpu->second]->function.numa_node);
    }
    choice.crosses_nodes = nodes.size() > 1;
    std::sort(choice.gpus.begin(), choice.gpus.end());
    if (!choice.gpus.empty() && choice.gpus.size() == partition.modules.size()) choices.push_back(std::move(choice));
  }
  for (const std::size_t chosen : choose_partitions(choices, count)) {
    proposal.workers.push_back({choices[chosen].gpus, choices[chosen].id, 0, 0});
  }
  if (proposal.workers.empty()) {
    proposal.notes.push_back(fmt::format("the usable GPUs do not hold {} NVSwitch partitions that share no GPU", count));
    return false;
  }
  leave_out_unassigned(proposal, "it belongs to no NVSwitch partition that is still free beside those of the workers");
  return true;
}

void assign_singly(std::size_t count, SpecProposal& proposal) {
  for (std::size_t i = 0; i < count; ++i) proposal.workers.push_back({{i}, std::nullopt, 0, 0});
  leave_out_unassigned(proposal, "no worker was asked for to have it");
}

}  // namespace

std::vector<const InventoryFunction*> gpu_candidates(const Inventory& inventory, std::vector<LeftOutGpu>& left_out) {
  std::vector<const InventoryFunction*> candidates;
  for (const InventoryFunction& item : inventory.functions) {
    const Bdf& address = item.function.address;
    if (!item.function.is_gpu()) continue;
    const bool in_known_slot = std::any_of(candidates.begin(), candidates.end(), [&](const InventoryFunction* other) {
      return other->function.address.same_slot(address);
    });
    if (item.function.boot_display) left_out.push_back({address, "this host boots on it"});
    else if (!is_usual_gpu(item.function)) left_out.push_back({address, "it is not NVIDIA's"});
    else if (in_known_slot) left_out.push_back({address, "it travels with the GPU in the same slot"});
    else candidates.push_back(&item);
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const InventoryFunction* a, const InventoryFunction* b) {
    return a->function.numa_node < b->function.numa_node;
  });
  return candidates;
}

std::vector<std::string> services_to_stop(const Inventory& inventory,
                                          const std::vector<const InventoryFunction*>& gpus) {
  std::set<std::string> services;
  for (const InventoryFunction& item : inventory.functions) {
    const bool is_concerned = std::any_of(gpus.begin(), gpus.end(), [&](const InventoryFunction* gpu) {
      return gpu->function.address.same_slot(item.function.address);
    });
    if (!is_concerned) continue;
    for (const DeviceHolder& holder : item.holders) {
      if (std::count(watching_services.begin(), watching_services.end(), holder.unit) > 0) services.insert(holder.unit);
    }
  }
  return {services.begin(), services.end()};
}

bool assign_workers(const Inventory& inventory, std::optional<std::size_t> count, SpecProposal& proposal) {
  proposal.workers.clear();
  const std::vector<Bundle> bundles = bundles_of(proposal.gpus);
  if (bundles.empty()) {
    if (count && is_asked_for_too_many(*count, 1, proposal)) return false;
    proposal.workers.emplace_back();
    return true;
  }
  const bool all_modules = std::all_of(proposal.gpus.begin(), proposal.gpus.end(),
                                       [](const InventoryFunction* gpu) { return gpu->module.has_value(); });
  std::size_t usual = nodes_of(proposal.gpus).size();
  if (usual == 1 && bundles.size() > 1) usual = 2;
  const std::size_t wanted = count.value_or(std::min(usual, bundles.size()));
  if (is_asked_for_too_many(wanted, bundles.size(), proposal)) return false;
  if (inventory.fabric_is_shared && !inventory.partitions.empty() && all_modules) {
    return assign_partitions(inventory, wanted, proposal);
  }
  if (has_switches(inventory) && !inventory.fabric_is_shared) {
    proposal.notes.emplace_back("Fabric Manager does not give NVSwitch partitions to VMs (FABRIC_MODE=1), so each worker "
                                "has one GPU: several would get CUDA error 802");
    assign_singly(count.value_or(bundles.size()), proposal);
    return true;
  }
  if (inventory.fabric_is_shared) {
    proposal.notes.emplace_back("which GPUs form NVSwitch partitions could not be read; compare the workers with `fmpm -l`");
  }
  proposal.workers = split_evenly(bundles, wanted);
  return true;
}

}  // namespace gpuplan
