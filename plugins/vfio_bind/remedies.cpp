#include "remedies.h"

#include <fmt/format.h>

#include "host/pci/nvidia/fabric.h"
#include "services.h"

namespace gpuplan::vfio_bind {
namespace {

constexpr std::string_view container_prefix = "container ";
constexpr std::size_t shown_digits = 12;

bool begins_with(const std::string& text, std::string_view prefix) { return text.rfind(prefix, 0) == 0; }

// The beginning of a container's identifier, from what read_holders calls the unit: "container 0123456789ab", or a scope
// that a runtime had systemd make: "docker-ID.scope", "cri-containerd-ID.scope", "libpod-ID.scope". Empty for others.
std::string container_in(const std::string& unit) {
  if (begins_with(unit, container_prefix)) return unit.substr(container_prefix.size());
  constexpr std::size_t length = 64;
  const std::size_t end = unit.rfind(".scope");
  const std::size_t dash = end == std::string::npos ? end : unit.rfind('-', end);
  if (dash == std::string::npos || end - dash - 1 != length) return {};
  const std::string id = unit.substr(dash + 1, length);
  return id.find_first_not_of("0123456789abcdef") == std::string::npos ? id.substr(0, shown_digits) : "";
}

}  // namespace

// QEMU's program is called qemu-system-x86_64 or qemu-kvm; systemd-machined names the units of libvirt's VMs.
bool is_virtual_machine(const DeviceHolder& holder) {
  return begins_with(holder.command, "qemu") || begins_with(holder.unit, "machine-qemu");
}

std::string how_to_free(const DeviceHolder& holder) {
  if (is_fabric_manager(holder.unit)) {
    return fmt::format("gpuplan never stops Fabric Manager; {} and restart it, then it lets go of the GPUs",
                       how_to_share_fabric());
  }
  if (is_virtual_machine(holder)) {
    return "do not kill it, it is a virtual machine: shut that down from inside, or choose another GPU";
  }
  if (const std::string id = container_in(holder.unit); !id.empty()) {
    return fmt::format("find the container with `docker ps --no-trunc | grep {0}` or `crictl ps --no-trunc | grep {0}` and "
                       "stop it there: its runtime may start a process that was ended again", id);
  }
  if (is_service(holder.unit)) return fmt::format("add {} to host.stop_services, or stop it", holder.unit);
  return fmt::format("see what it is with `ps -fp {0}`, then end it: `kill {0}`", holder.pid);
}

std::string how_to_remove_virtual_functions(const PciFunction& function) {
  return fmt::format("stop what uses them, then `echo 0 > {}/sriov_numvfs`", sysfs_device(function.address));
}

}  // namespace gpuplan::vfio_bind
