// What a server has that matters for handing its GPUs to VMs: the result of `gpuplan discover`, and what
// `gpuplan init` and `gpuplan record` start from. Plain data, read through the ports only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/names/pci_names.h"
#include "host/pci/nvidia/fabric.h"
#include "host/pci/pci.h"
#include "host/pci/platform.h"
#include "host/pci/topology.h"
#include "host/ports.h"

namespace gpuplan {

// A VM to whom a function is passed through.
struct DomainUse {
  std::string domain;
  bool running = false;
  std::string cluster;  // of gpuplan's mark; empty: somebody else made it
};

struct InventoryFunction {
  PciFunction function;       // only the address if it hangs
  PciId subsystem;
  std::string vendor_name;    // from pci.ids; empty: unknown there
  std::string device_name;
  std::string driver_model;   // what its driver calls the GPU, "NVIDIA H100 80GB HBM3"; empty if it does not say
  PciPath path;
  bool hangs = false;         // a driver did not answer in time
  bool off_the_bus = false;
  std::optional<std::int64_t> module;  // Fabric Manager's physical id; read only where there are NVSwitches
  std::vector<std::string> interfaces;
  std::vector<std::string> disks;      // with their partitions
  std::vector<DeviceHolder> holders;   // of GPUs and of the other functions in their slots
  std::vector<DomainUse> domains;

  // "H100 SXM5 80GB" out of what is known: pci.ids, the driver, else the words for its class.
  std::string name() const;
};

struct NumaNode {
  int number = 0;
  std::string cpus;                 // "0-55,112-167"
  std::int64_t memory_mib = 0;
  std::int64_t hugepages_2m = 0;    // pages reserved
  std::int64_t hugepages_1g = 0;
  std::int64_t free_hugepages_2m = 0;
  std::int64_t free_hugepages_1g = 0;
};

struct Inventory {
  std::string description;          // of the host, for people
  std::string os;                   // "Ubuntu 24.04.3 LTS"; empty if it does not say
  std::string kernel;               // "6.8.0-71-generic"; empty if it does not say
  CpuFacts cpu;
  std::size_t processors = 0;
  std::string iommu_table;          // intel | amd | none
  std::size_t iommu_groups = 0;
  bool interrupt_remapping = false;
  AddressWidth address_width;
  bool has_kvm = false;
  std::int64_t memory_mib = 0;
  std::int64_t available_mib = 0;
  std::vector<NumaNode> nodes;      // by number
  std::vector<InventoryFunction> functions;  // by address
  bool libvirt_answers = false;
  std::vector<DomainState> domains; // empty unless libvirt answers
  bool fabric_is_shared = false;    // Fabric Manager is set to give partitions to VMs
  std::vector<FabricPartition> partitions;
  std::vector<std::string> unread;  // what could not be read, and why: whole sentences

  const InventoryFunction* find(const Bdf& address) const;  // a null pointer if there is none
  // All members of an IOMMU group, by address.
  std::vector<const InventoryFunction*> group(int number) const;
  // Every group with its members.
  std::map<int, std::vector<const InventoryFunction*>> groups() const;
};

// Reads all of it. What may not be read (without root, without libvirt) is named in `unread`. Throws HostError if
// the PCI bus cannot be listed, and Interrupted. Not thread-safe with regard to `names`.
Inventory read_inventory(HostReader& host, PciNames& names);

// How many processors a list such as "0-55,112-167" has.
std::size_t count_processors(const std::string& cpu_list);
// The number behind a key of a table such as /proc/meminfo; 0 if it is not there.
std::int64_t number_after(const std::string& text, const std::string& key);

}  // namespace gpuplan
