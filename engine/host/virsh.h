// What gpuplan leaves to an administrator to do in libvirt, as the command that does it.
#pragma once

#include <string>
#include <vector>

#include "host/ports.h"

namespace gpuplan {

// " (`virsh --connect qemu:///system net-start lab`)" behind the words that say the same, over the connection of this
// host, each word as a shell takes it for one. Empty on a host without virsh, such as a simulated one. Thread-safe.
std::string with_virsh(HypervisorReader& hypervisor, const std::vector<std::string>& words);

}  // namespace gpuplan
