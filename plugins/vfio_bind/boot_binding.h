// Bindings that are made anew at each boot.
#pragma once

#include <string>
#include <vector>

#include "host/pci/pci.h"
#include "host/ports.h"

namespace gpuplan::vfio_bind {

// Where driverctl(8) is installed, its saved overrides, one file per function; its own commands are not used, because
// they unbind without a look at who has the GPU open. Elsewhere a systemd unit per slot, enabled, which takes the
// functions before udev loads any driver for them. Both take effect at the next boot only.

// True if either will bind every function of the slot. `functions` are those of one slot, as everywhere here.
bool is_bound_at_boot(const std::vector<PciFunction>& functions, HostReader& host);

// "driverctl" or the name of the unit: by what bind_at_boot() would do it.
std::string boot_binding_by(const std::vector<PciFunction>& functions, FileReader& files);

// Idempotent. Both leave the present binding alone.
void bind_at_boot(const std::vector<PciFunction>& functions, Host& host);
void stop_binding_at_boot(const std::vector<PciFunction>& functions, Host& host);

}  // namespace gpuplan::vfio_bind
