// The parts of an inventory that are not PCI functions.
#pragma once

#include "inventory/inventory.h"

namespace gpuplan {

// System, processors, memory, NUMA nodes. What cannot be read stays empty or 0.
void read_machine(HostReader& host, Inventory& inventory);

// Names in a directory; none if it is absent or cannot be read. Throws HostError::timed_out.
std::vector<std::string> list_or_none(FileReader& files, const std::string& path);
// The value of a key in os-release(5), without quotes; empty if there is none.
std::string os_release_value(FileReader& files, const std::string& key);

}  // namespace gpuplan
