// Where PCI functions hang, and what hangs on them. Read-only.
// Source: Linux Documentation/PCI/sysfs-pci.rst; the links below /sys/bus/pci/devices and /sys/class.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "host/ports.h"
#include "spec/bdf.h"

namespace gpuplan {

// The way from a host bridge to a function.
struct PciPath {
  std::string root;          // "pci0000:00"; empty if it cannot be read
  std::vector<Bdf> bridges;  // from the root port down, without the function itself
};

// Throws HostError::timed_out only. Thread-safe, as all here.
PciPath read_pci_path(FileReader& files, const Bdf& address);

// The names below /sys/class/CLASS ("net", "block"), by the PCI function that each hangs on; what hangs on none
// is left out. Empty if the class cannot be read. Throws HostError::timed_out.
std::map<Bdf, std::vector<std::string>> read_class_devices(FileReader& files, const std::string& device_class);

}  // namespace gpuplan
