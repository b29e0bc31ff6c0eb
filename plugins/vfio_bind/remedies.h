// What to do about what stands in the way of a GPU, in the words of checks and of stages alike.
#pragma once

#include <string>

#include "host/pci/pci.h"

namespace gpuplan::vfio_bind {

// True if the process runs a virtual machine: killing it would pull that machine's plug.
bool is_virtual_machine(const DeviceHolder& holder);
// How to make this process let go of the GPU for good.
std::string how_to_free(const DeviceHolder& holder);
// How to take a function's virtual functions away.
std::string how_to_remove_virtual_functions(const PciFunction& function);

}  // namespace gpuplan::vfio_bind
