#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "host/sim/errors.h"
#include "host/sim/hypervisor.h"
#include "host/xml/domain_xml.h"

namespace gpuplan::sim {
namespace {

constexpr int most_backing_files = 200;

[[noreturn]] void refuse(const std::string& domain, const std::string& reason,
                         HostError::Kind kind = HostError::Kind::refused) {
  throw libvirt_error(kind, "start", "domain " + domain, reason);
}

void check_networks(Model& model, const DomainDefinition& definition) {
  if (!definition.network.empty()) {
    const Network* network = model.network(definition.network);
    if (network == nullptr) {
      refuse(definition.name, fmt::format("network not found: no network with matching name '{}'", definition.network));
    }
    if (!network->active) refuse(definition.name, fmt::format("network '{}' is not active", definition.network));
  }
}

void check_disks(Model& model, const DomainDefinition& definition) {
  for (const DomainDisk& disk : definition.disks) {
    std::string path = disk.path;
    for (int depth = 0; !path.empty() && depth < most_backing_files; ++depth) {
      const Volume* volume = model.volume_at(path);
      if (volume == nullptr && model.files.count(path) == 0) {
        refuse(definition.name, fmt::format("cannot access {} '{}': no such file or directory",
                                            depth == 0 ? "storage file" : "backing file", path));
      }
      path = volume != nullptr ? volume->backing : "";
    }
    for (const std::string& reader : domains_reading(model, disk.path)) {
      if (disk.read_only) break;
      refuse(definition.name, fmt::format("failed to get \"write\" lock: {} is in use by domain {}", disk.path, reader),
             HostError::Kind::busy);
    }
  }
}

// virHostdevPreparePCIDevices, then vfio's own look at the group.
void check_devices(const Model& model, const DomainDefinition& definition) {
  for (const Bdf& address : definition.devices) {
    const std::string bdf = address.to_string();
    const Device* device = model.device(address);
    if (device == nullptr) {
      refuse(definition.name, fmt::format("device {0} not found: could not access /sys/bus/pci/devices/{0}/config", bdf));
    }
    if (const Domain* user = domain_using(model, address)) {
      refuse(definition.name, fmt::format("PCI device {} is in use by driver QEMU, domain {}", bdf, user->name),
             HostError::Kind::busy);
    }
    if (device->driver != "vfio-pci" || device->waits_for_release) {
      refuse(definition.name, fmt::format("Unmanaged PCI device {} must be manually detached from the host", bdf));
    }
    if (model.iommu.enabled && !model.iommu.interrupt_remapping && !model.iommu.allow_unsafe_interrupts) {
      refuse(definition.name, fmt::format("vfio {}: failed to setup container for group {}: no interrupt remapping support",
                                          bdf, device->iommu_group.value_or(-1)));
    }
    for (const Device* member : group_members(model, device->iommu_group.value_or(-1))) {
      const bool viable = member->driver.empty() || member->driver == "vfio-pci" || member->driver == "pci-stub" ||
                          (member->is_bridge() && member->driver == "pcieport");
      if (!viable) {
        refuse(definition.name,
               fmt::format("vfio {}: group {} is not viable: {} is bound to {}; all devices within the iommu_group must "
                           "be bound to their vfio bus driver",
                           bdf, *device->iommu_group, member->address.to_string(), member->driver));
      }
      const Domain* user = domain_using(model, member->address);
      if (user != nullptr) {
        refuse(definition.name, fmt::format("vfio {}: failed to open /dev/vfio/{}: device or resource busy (domain {} has {})",
                                            bdf, *device->iommu_group, user->name, member->address.to_string()),
               HostError::Kind::busy);
      }
    }
  }
}

void check_memory(const Model& model, const DomainDefinition& definition) {
  if (definition.hugepages != "none") {
    const bool gigantic = definition.hugepages == "1G";
    std::int64_t free = 0;
    for (std::size_t node = 0; node < model.numa.size(); ++node) free += free_hugepages(model, node, gigantic);
    const std::int64_t page = gigantic ? 1024 : 2;
    if (free * page < definition.memory_mib) {
      refuse(definition.name, fmt::format("unable to map backing store for guest RAM: cannot allocate memory "
                                          "({} free hugepages of {} MiB)", free, page));
    }
    return;
  }
  // Ordinary memory can be overcommitted; what vfio pins cannot.
  const bool pinned = definition.locked_memory || !definition.devices.empty();
  if (pinned && free_memory_mib(model) < definition.memory_mib) {
    refuse(definition.name, fmt::format("cannot set up guest memory 'pc.ram': cannot allocate memory ({} MiB wanted, {} MiB free)",
                                        definition.memory_mib, free_memory_mib(model)));
  }
}

}  // namespace

std::vector<std::string> domains_reading(Model& model, const std::string& path) {
  std::vector<std::string> names;
  for (const Domain& domain : model.domains) {
    if (domain.power != PowerState::running) continue;
    const auto definition = parse_domain(domain.running_xml);
    if (!definition) continue;
    const bool reads = std::any_of(definition->disks.begin(), definition->disks.end(), [&](const DomainDisk& disk) {
      std::string file = disk.path;
      for (int depth = 0; !file.empty() && depth < most_backing_files; ++depth) {
        if (file == path) return true;
        const Volume* volume = model.volume_at(file);
        file = volume != nullptr ? volume->backing : "";
      }
      return false;
    });
    if (reads) names.push_back(domain.name);
  }
  return names;
}

void check_start(Model& model, const Domain& domain) {
  const auto definition = parse_domain(domain.xml);
  if (!definition) refuse(domain.name, "its definition cannot be read");
  check_networks(model, *definition);
  check_disks(model, *definition);
  check_devices(model, *definition);
  check_memory(model, *definition);
}

}  // namespace gpuplan::sim
