// What to do about what stands in the way of a GPU, in the words of checks and of stages alike.
#pragma once

#include <string>

#include "host/pci/pci.h"

namespace gpuplan::vfio_bind {

// True if the process runs a virtual machine: killing it would pull that machine's plug.
bool is_virtual_machine(const DeviceHolder& holder);
// How to make this process let go of the GPU for good.
std::string how_to_free(const DeviceHolder& holder);
// How to read what the kernel shows to root alone.
inline constexpr const char* how_to_read_all =
    "run gpuplan as root; if that is root already, a container or a security module (AppArmor, SELinux) is in the way: run it "
    "outside of that";
// How to take a function's virtual functions away.
std::string how_to_remove_virtual_functions(const PciFunction& function);

}  // namespace gpuplan::vfio_bind
