#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "host/pci/nvidia/driver.h"
#include "host/xml/domain_xml.h"
#include "inventory/read_machine.h"
#include "record/record_parts.h"
#include "report/diagnostic.h"

namespace gpuplan {
namespace {

// What sim::decode_model accepts.
constexpr std::int64_t most_mib = 1 << 30;
constexpr int most_nodes = 64;

void record_system(FileReader& files, const Inventory& inventory, sim::Model& model) {
  model.os.id = os_release_value(files, "ID");
  model.os.version_id = os_release_value(files, "VERSION_ID");
  model.os.name = inventory.os;
  model.os.kernel = inventory.kernel;
  // The model has no key for it, but a derivative is told by it from what it derives from.
  const std::string like = os_release_value(files, "ID_LIKE");
  if (like.empty()) return;
  model.files["/etc/os-release"].content =
      fmt::format("PRETTY_NAME=\"{}\"\nVERSION_ID=\"{}\"\nID={}\nID_LIKE=\"{}\"\n", inventory.os, model.os.version_id,
                  model.os.id, like);
}

void record_processors(const Inventory& inventory, sim::Model& model) {
  const CpuFacts& cpu = inventory.cpu;
  model.cpu.vendor = cpu.is_amd ? "AuthenticAMD" : "GenuineIntel";
  model.cpu.model = cpu.model;
  model.cpu.virtualization = cpu.has_virtualization;
  model.cpu.hypervisor = cpu.is_guest;
  model.cpu.physical_bits = std::clamp<std::int64_t>(cpu.physical_bits.value_or(52), 32, 57);
  model.cpu.virtual_bits = std::clamp<std::int64_t>(cpu.virtual_bits.value_or(57), 32, 64);
}

void record_iommu(FileReader& files, const Inventory& inventory, sim::Model& model) {
  model.iommu.table = inventory.iommu_table == "intel" ? "DMAR" : inventory.iommu_table == "amd" ? "IVRS" : "none";
  model.iommu.enabled = inventory.iommu_groups > 0;
  model.iommu.interrupt_remapping = inventory.interrupt_remapping;
  const auto unsafe = read_trimmed(files, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
  model.iommu.allow_unsafe_interrupts = unsafe == "Y" || unsafe == "1";
  if (inventory.address_width.iommu) {
    model.iommu.address_bits = std::clamp<std::int64_t>(*inventory.address_width.iommu, 32, 64);
  }
}

void record_memory(const Inventory& inventory, sim::Model& model) {
  std::int64_t sum = 0, in_pages = 0, in_vms = 0;
  for (const NumaNode& node : inventory.nodes) {
    if (node.number >= most_nodes) continue;
    // Nodes are counted without gaps in a model: one that is off line has nothing.
    while (static_cast<int>(model.numa.size()) < node.number) model.numa.push_back({"", 0, 0, 0});
    model.numa.push_back({node.cpus, std::clamp<std::int64_t>(node.memory_mib, 0, most_mib), node.hugepages_2m,
                          node.hugepages_1g});
    in_pages += 2 * node.hugepages_2m + 1024 * node.hugepages_1g;
  }
  if (model.numa.empty()) {
    model.numa.push_back({fmt::format("0-{}", std::max<std::size_t>(inventory.processors, 1) - 1),
                          std::clamp<std::int64_t>(inventory.memory_mib, 1, most_mib), 0, 0});
  }
  for (const sim::NumaNode& node : model.numa) sum += node.memory_mib;
  // What rounding takes from each node, so that the whole is what it was.
  if (sum < inventory.memory_mib) model.numa.front().memory_mib += inventory.memory_mib - sum;
  for (const sim::Domain& domain : model.domains) {
    if (domain.power != PowerState::running) continue;
    const auto definition = parse_domain(domain.running_xml);
    if (definition && definition->hugepages == "none") in_vms += definition->memory_mib;
  }
  model.memory_used_mib =
      std::clamp<std::int64_t>(inventory.memory_mib - inventory.available_mib - in_pages - in_vms, 0, most_mib);
}

}  // namespace

std::string public_kernel_parameters(const std::string& command_line) {
  constexpr std::array<const char*, 25> kept = {
      "intel_iommu", "amd_iommu", "iommu", "iommu.", "intremap", "nointremap", "vfio", "pci", "pcie", "hugepages",
      "hugepagesz", "default_hugepagesz", "video", "nomodeset", "kvm", "modprobe.blacklist", "module_blacklist",
      "rd.driver.", "isolcpus", "nohz_full", "numa", "mem_encrypt", "efi", "nox2apic",
      "transparent_hugepage"};
  std::string text;
  std::istringstream words(command_line);
  for (std::string word; words >> word;) {
    const auto begins_with = [&](const std::string& name) {
      if (word.rfind(name, 0) != 0) return false;
      const char next = word.size() == name.size() ? '=' : word[name.size()];
      return next == '=' || next == '.' || next == '_' || next == '-' || name.back() == '.';
    };
    const bool matters = std::any_of(kept.begin(), kept.end(), begins_with) ||
                         std::any_of(driver_modules.begin(), driver_modules.end(), begins_with);
    if (matters) text += fmt::format("{}{}", text.empty() ? "" : " ", printable(word));
  }
  return text;
}

void record_machine(HostReader& host, const Inventory& inventory, sim::Model& model) {
  record_system(host.files(), inventory, model);
  record_processors(inventory, model);
  record_iommu(host.files(), inventory, model);
  record_memory(inventory, model);
  model.kernel_command_line = public_kernel_parameters(read_trimmed(host.files(), "/proc/cmdline").value_or(""));
}

}  // namespace gpuplan
