#include "inventory/print_inventory.h"

#include <fmt/format.h>

#include <algorithm>

#include "inventory/text_table.h"

namespace gpuplan {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::string node_words(int node) { return node < 0 ? "-" : std::to_string(node); }

std::string bits_words(const std::optional<int>& bits) { return bits ? fmt::format("{} bits", *bits) : "unknown width"; }

std::string iommu_words(const Inventory& inventory) {
  const std::string kind = inventory.iommu_table == "intel" ? "VT-d (table DMAR)"
                           : inventory.iommu_table == "amd" ? "AMD-Vi (table IVRS)"
                                                            : "none offered by the firmware";
  if (inventory.iommu_groups == 0) return kind + ", not used by the kernel: no IOMMU groups";
  return fmt::format("{}, {} groups, addresses of {}, interrupts {}", kind, inventory.iommu_groups,
                     bits_words(inventory.address_width.iommu),
                     inventory.interrupt_remapping ? "remapped" : "NOT remapped");
}

std::string machine_table(const Inventory& inventory) {
  const std::string virtualization = !inventory.cpu.has_virtualization ? "no virtualization"
                                     : inventory.has_kvm               ? "virtualization on"
                                                                       : "virtualization, but no /dev/kvm";
  Rows rows = {
      {"system", fmt::format("{}, kernel {}", inventory.os.empty() ? "unknown" : inventory.os, or_dash(inventory.kernel))},
      {"processors", fmt::format("{} x {}, {}, addresses of {}", inventory.processors,
                                 inventory.cpu.model.empty() ? "unknown" : inventory.cpu.model, virtualization,
                                 bits_words(inventory.address_width.cpu))},
      {"memory", fmt::format("{} MiB, {} MiB available", inventory.memory_mib, inventory.available_mib)},
      {"iommu", iommu_words(inventory)},
      {"libvirt", inventory.libvirt_answers ? fmt::format("answers, {} VMs defined", inventory.domains.size())
                                            : "does not answer"}};
  if (inventory.cpu.is_guest) rows.push_back({"note", "this host is itself a virtual machine"});
  return print_table(rows);
}

std::string node_table(const Inventory& inventory) {
  Rows rows = {{"NUMA", "CPUS", "MEMORY", "2M PAGES (FREE)", "1G PAGES (FREE)", "GPUS"}};
  for (const NumaNode& node : inventory.nodes) {
    const auto gpus = std::count_if(inventory.functions.begin(), inventory.functions.end(), [&](const auto& item) {
      return item.function.is_gpu() && item.function.numa_node == node.number;
    });
    rows.push_back({std::to_string(node.number), or_dash(node.cpus), fmt::format("{} MiB", node.memory_mib),
                    fmt::format("{} ({})", node.hugepages_2m, node.free_hugepages_2m),
                    fmt::format("{} ({})", node.hugepages_1g, node.free_hugepages_1g), std::to_string(gpus)});
  }
  return rows.size() == 1 ? "" : '\n' + print_table(rows);
}

std::string bars_words(const PciFunction& function) {
  std::string text;
  for (const PciBar& bar : function.bars) {
    text += fmt::format("{}{}:{}{}", text.empty() ? "" : " ", bar.index, size_words(bar.size),
                        bar.base == 0 ? "(unassigned)" : "");
  }
  return or_dash(text);
}

std::string driver_words(const InventoryFunction& item) {
  if (item.hangs) return "HANGS";
  if (item.off_the_bus) return "OFF THE BUS";
  std::string text = or_dash(item.function.driver);
  if (!item.function.driver_override.empty()) text += fmt::format(" (override {})", item.function.driver_override);
  return text;
}

std::vector<std::string> device_row(const InventoryFunction& item, bool with_module) {
  const PciFunction& function = item.function;
  std::vector<std::string> row = {function.address.to_string(), item.name(), function.id.to_string(),
                                  node_words(function.numa_node),
                                  function.iommu_group ? std::to_string(*function.iommu_group) : "-"};
  if (with_module) row.push_back(item.module ? std::to_string(*item.module) : "-");
  row.insert(row.end(), {driver_words(item), bars_words(function),
                         or_dash(fmt::format("{}", fmt::join(function.reset_methods, ","))), or_dash(users_of(item))});
  return row;
}

template <class Wanted>
std::string device_table(const Inventory& inventory, const char* heading, bool with_module, Wanted wanted) {
  std::vector<std::string> headings = {heading, "NAME", "ID", "NUMA", "GROUP"};
  if (with_module) headings.emplace_back("MODULE");
  headings.insert(headings.end(), {"DRIVER", "BARS", "RESET", "USED BY"});
  Rows rows = {headings};
  for (const InventoryFunction& item : inventory.functions) {
    if (wanted(item.function)) rows.push_back(device_row(item, with_module));
  }
  return rows.size() == 1 ? "" : '\n' + print_table(rows);
}

// The addresses of the GPUs with these modules; a module whose GPU is unknown stands by its number.
std::string gpus_of(const Inventory& inventory, const GpuModules& modules) {
  std::string text;
  for (const std::int64_t module : modules) {
    const auto found = std::find_if(inventory.functions.begin(), inventory.functions.end(),
                                    [&](const InventoryFunction& item) { return item.module == module; });
    text += fmt::format("{}{}", text.empty() ? "" : " ",
                        found == inventory.functions.end() ? fmt::format("module {}", module)
                                                           : found->function.address.to_string());
  }
  return text;
}

std::string partition_table(const Inventory& inventory) {
  Rows rows = {{"PARTITION", "ACTIVE", "MODULES", "GPUS"}};
  for (const FabricPartition& partition : inventory.partitions) {
    rows.push_back({std::to_string(partition.id), partition.active ? "yes" : "no",
                    fmt::format("{}", fmt::join(partition.modules, " ")), gpus_of(inventory, partition.modules)});
  }
  return rows.size() == 1 ? "" : '\n' + print_table(rows);
}

bool matters(const std::vector<const InventoryFunction*>& members) {
  return std::any_of(members.begin(), members.end(), [](const InventoryFunction* item) {
    return item->function.is_gpu() || item->function.is_nvswitch();
  });
}

std::string group_table(const Inventory& inventory, bool all) {
  Rows rows = {{"GROUP", "MEMBER", "CLASS", "ID", "NAME", "DRIVER"}};
  std::size_t left_out = 0;
  for (const auto& [number, members] : inventory.groups()) {
    if (!all && !matters(members)) {
      ++left_out;
      continue;
    }
    for (const InventoryFunction* item : members) {
      const std::string group = item == members.front() ? std::to_string(number) : "";
      rows.push_back({group, item->function.address.to_string(), class_name(item->function),
                      item->function.id.to_string(), or_dash(item->device_name), driver_words(*item)});
    }
  }
  std::string text = rows.size() == 1 ? "" : '\n' + print_table(rows);
  if (left_out > 0) {
    text += fmt::format("\n{} more {} neither a GPU nor an NVSwitch; --all lists them.\n", left_out,
                        left_out == 1 ? "IOMMU group holds" : "IOMMU groups hold");
  }
  return text;
}

}  // namespace

std::string describe(const DeviceHolder& holder) {
  return fmt::format("{} (pid {}{})", holder.command, holder.pid,
                     holder.unit.empty() ? "" : ", unit " + holder.unit);
}

std::string users_of(const InventoryFunction& item) {
  std::string text;
  const auto add = [&](const std::string& user) { text += (text.empty() ? "" : ", ") + user; };
  if (item.function.boot_display) add("the boot display");
  for (const DomainUse& use : item.domains) {
    add(fmt::format("VM {} ({}{})", use.domain, use.running ? "running" : "off",
                    use.cluster.empty() ? "" : ", of cluster " + use.cluster));
  }
  // The QEMU of a VM that was named already says nothing new.
  const bool has_running_vm =
      std::any_of(item.domains.begin(), item.domains.end(), [](const DomainUse& use) { return use.running; });
  for (const DeviceHolder& holder : item.holders) {
    if (!has_running_vm || holder.file.find("/dev/vfio/") == std::string::npos) add(describe(holder));
  }
  if (item.function.virtual_functions > 0) add(fmt::format("{} virtual functions", item.function.virtual_functions));
  return text;
}

std::string print_inventory(const Inventory& inventory, bool all) {
  const auto is_gpu = [](const PciFunction& function) { return function.is_gpu(); };
  const auto is_nvswitch = [](const PciFunction& function) { return function.is_nvswitch(); };
  const bool with_module = std::any_of(inventory.functions.begin(), inventory.functions.end(),
                                       [](const InventoryFunction& item) { return item.module.has_value(); });
  std::string text = inventory.description + "\n\n" + machine_table(inventory) + node_table(inventory);
  const std::string gpus = device_table(inventory, "GPU", with_module, is_gpu);
  text += gpus.empty() ? "\nThis host has no GPU.\n" : gpus;
  text += device_table(inventory, "NVSWITCH", false, is_nvswitch);
  if (inventory.fabric_is_shared) text += "\nFabric Manager gives NVSwitch partitions to VMs (FABRIC_MODE=1).\n";
  text += partition_table(inventory);
  return text + group_table(inventory, all);
}

}  // namespace gpuplan
