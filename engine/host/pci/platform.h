// What a host offers for handing devices to VMs, beside the devices: processor, IOMMU, address widths. Read-only.
// Sources: Linux Documentation/arch/x86/cpuinfo.rst, Documentation/ABI/testing/sysfs-class-iommu-intel-iommu.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "host/ports.h"

namespace gpuplan {

// What a processor says of itself in /proc/cpuinfo; the first one speaks for all.
struct CpuFacts {
  std::string model;                // "model name"; empty if it does not say
  bool is_intel = false;
  bool is_amd = false;
  bool has_virtualization = false;  // vmx or svm
  bool is_guest = false;            // runs under a hypervisor
  std::optional<int> physical_bits; // "address sizes"
  std::optional<int> virtual_bits;
};
// Without /proc/cpuinfo nothing is known and nothing is true. Throws HostError::timed_out. Thread-safe, as all here.
CpuFacts read_cpu(FileReader& files);

// "intel", "amd" or "none": by the table with which the firmware announces an IOMMU.
std::string read_iommu_table(FileReader& files);
// 0 if the kernel has none, or if they cannot be read. Throws HostError::timed_out.
std::size_t count_iommu_groups(FileReader& files);
// True if interrupts are remapped: their chips' names begin with "IR-".
bool has_interrupt_remapping(FileReader& files);

// Physical address bits; nothing where the host does not say.
struct AddressWidth {
  std::optional<int> cpu;    // "address sizes" in /proc/cpuinfo
  // The smallest of /sys/class/iommu: of intel-iommu/cap (VT-d specification, MGAW) and of amd-iommu/features (AMD I/O
  // Virtualization Technology specification, extended feature register, HATS).
  std::optional<int> iommu;
  std::optional<int> usable() const;  // the smaller of the two
};
AddressWidth read_address_width(FileReader& files);

}  // namespace gpuplan
