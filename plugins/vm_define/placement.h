// What a guest's GPUs ask of its address space, and where on the host it belongs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "declaration.h"
#include "host/pci/pci.h"
#include "host/pci/platform.h"

namespace gpuplan::vm_define {

// All functions to pass through for `gpus`: of each slot everything but bridges, in BDF order.
// Throws HostError::not_found if one of the GPUs is not there.
std::vector<PciFunction> functions_of(FileReader& files, const std::vector<std::string>& gpus);

// 2 × the next power of two of Σ 64-bit prefetchable BARs, at least the firmware's own 32 GiB; 0 without functions.
std::int64_t mmio64_window_mib(const std::vector<PciFunction>& functions);
// The fewest address bits with which the window fits above the guest's memory.
int address_bits_needed(std::int64_t memory_mib, std::int64_t window_mib);

// The NUMA node that all of these share; nothing if they do not, or if it is unknown.
std::optional<int> common_node(const std::vector<PciFunction>& functions);
// The processors of a node as the kernel lists them ("0-55,112-167"); empty if it does not say.
std::string processors_of_node(FileReader& files, int node);

}  // namespace gpuplan::vm_define
