#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "propose/proposal.h"
#include "report/diagnostic.h"

namespace gpuplan {
namespace {

constexpr std::size_t comment_width = 110;

// A comment of one or more lines, broken at blanks.
std::string comment(const std::string& sentence) {
  std::string text = "#", rest = printable(sentence);
  std::size_t column = 1;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    if (column + 1 + end > comment_width) {
      text += "\n#  ";
      column = 3;
    }
    text += ' ' + rest.substr(0, end);
    column += 1 + end;
    rest.erase(0, std::min(end + 1, rest.size()));
  }
  return text + '\n';
}

std::string listed(const std::vector<std::size_t>& indexes) { return fmt::format("[{}]", fmt::join(indexes, ", ")); }

std::string name_of(const Inventory& inventory, const Bdf& address) {
  const InventoryFunction* item = inventory.find(address);
  return item == nullptr ? "" : printable(item->name());
}

std::string where_words(const InventoryFunction& gpu) {
  std::string text;
  if (gpu.function.numa_node >= 0) text += fmt::format(", NUMA node {}", gpu.function.numa_node);
  if (gpu.function.iommu_group) text += fmt::format(", IOMMU group {}", *gpu.function.iommu_group);
  if (gpu.module) text += fmt::format(", module {}", *gpu.module);
  return text;
}

std::string gpu_section(const Inventory& inventory, const SpecProposal& proposal) {
  std::string text;
  std::set<std::string> ids;
  for (const InventoryFunction* gpu : proposal.gpus) ids.insert('"' + gpu->function.id.to_string() + '"');
  if (!ids.empty()) {
    text += fmt::format("\n# A GPU below with another id is refused.\ngpu_device_ids: [{}]\n", fmt::join(ids, ", "));
  }
  text += proposal.gpus.empty() ? "\ngpus: []\n" : "\ngpus:\n";
  for (std::size_t i = 0; i < proposal.gpus.size(); ++i) {
    const InventoryFunction& gpu = *proposal.gpus[i];
    text += fmt::format("  - pci_address: \"{}\"   # {}: {}{}\n", gpu.function.address.to_string(), i,
                        printable(gpu.name()), where_words(gpu));
  }
  if (!proposal.left_out.empty()) text += "# Left out:\n";
  for (const LeftOutGpu& gpu : proposal.left_out) {
    text += comment(fmt::format("{} ({}): {}", gpu.address.to_string(), name_of(inventory, gpu.address), gpu.reason));
  }
  return text;
}

std::string nodes_words(const SpecProposal& proposal, const ProposedWorker& worker) {
  std::set<int> nodes;
  for (const std::size_t index : worker.gpus) nodes.insert(proposal.gpus[index]->function.numa_node);
  if (nodes.empty() || *nodes.begin() < 0) return {};
  return fmt::format("NUMA {} {}", nodes.size() == 1 ? "node" : "nodes", fmt::join(nodes, ", "));
}

std::string assignment_section(const SpecProposal& proposal) {
  std::string text = "\nworker_gpu_assignment:   # indexes into gpus, from 0\n";
  for (std::size_t i = 0; i < proposal.workers.size(); ++i) {
    const ProposedWorker& worker = proposal.workers[i];
    std::string remark = nodes_words(proposal, worker);
    if (worker.partition) {
      remark += fmt::format("{}NVSwitch partition {}", remark.empty() ? "" : ", ", *worker.partition);
    }
    text += fmt::format("  worker-{}: {}{}\n", i + 1, listed(worker.gpus), remark.empty() ? "" : "   # " + remark);
  }
  return text;
}

std::string sizes_of(const ProposedWorker& worker) {
  return fmt::format("memory: {}, cpus: {}", worker.memory_mib, worker.cpus);
}

std::string size_section(const Inventory& inventory, const SpecProposal& proposal) {
  const ProposedWorker& first = proposal.workers.front();
  std::string text = fmt::format(
      "\n# MiB, processors, GiB. This host has {} MiB and {} processors. The memory of a VM with GPUs is taken at\n"
      "# its start as a whole. Disks take only what is written to them.\nvm_resources:\n"
      "  control_plane: {{memory: {}, cpus: {}, disk: 100}}\n  worker: {{{}, disk: 500{}}}\n",
      inventory.memory_mib, inventory.processors, proposal.control_plane_mib, proposal.control_plane_cpus,
      sizes_of(first), proposal.hugepages == "none" ? "" : ", hugepages: " + proposal.hugepages);
  std::string others;
  for (std::size_t i = 1; i < proposal.workers.size(); ++i) {
    const ProposedWorker& worker = proposal.workers[i];
    if (worker.memory_mib == first.memory_mib && worker.cpus == first.cpus) continue;
    others += fmt::format("    worker-{}: {{{}}}\n", i + 1, sizes_of(worker));
  }
  return others.empty() ? text : text + "  workers:\n" + others;
}

std::string host_section(const SpecProposal& proposal) {
  std::string text = fmt::format("\nhost:\n  memory_reserve: {}   # MiB that stay with the host\n", proposal.reserve_mib);
  if (proposal.stop_services.empty()) return text;
  return text + fmt::format("  # They hold GPUs; stopped while those are taken, and started again afterwards.\n"
                            "  stop_services: [{}]\n", fmt::join(proposal.stop_services, ", "));
}

}  // namespace

std::string print_spec(const Inventory& inventory, const SpecProposal& proposal) {
  std::string text = comment("A cluster on " + inventory.description + ", proposed by `gpuplan init`.");
  text += "# Every key that is not here has a default. Next: `gpuplan check`, then `gpuplan plan`, with this file.\n";
  if (!proposal.notes.empty()) text += "#\n";
  for (const std::string& note : proposal.notes) text += comment("NOTE: " + note);
  text += gpu_section(inventory, proposal) + assignment_section(proposal) + size_section(inventory, proposal) +
          host_section(proposal);
  if (proposal.cidr != NetworkSpec().cidr) {
    text += fmt::format("\nnetwork:\n  cidr: {}   # this host uses {} already\n", proposal.cidr, NetworkSpec().cidr);
  }
  if (proposal.gpus.empty()) text += "\ngpu_operator:\n  enabled: false   # without GPUs it has nothing to do\n";
  return text;
}

}  // namespace gpuplan
