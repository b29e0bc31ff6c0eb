// Files about the next boot: by which gpuplan has GPUs bound again, and the IOMMU switched on.
#pragma once

#include <string>

#include "spec/bdf.h"

namespace gpuplan {

// driverctl(8): an override that is saved for a function is made anew at each boot.
inline constexpr const char* driverctl_program = "/usr/sbin/driverctl";
inline constexpr const char* driverctl_directory = "/etc/driverctl.d";
inline std::string saved_override(const Bdf& address) {
  return std::string(driverctl_directory) + "/pci-" + address.to_string();
}

// Where there is no driverctl: a unit per slot, named after its first function.
inline constexpr const char* unit_directory = "/etc/systemd/system";
inline constexpr const char* boot_unit_prefix = "gpuplan-vfio-";
inline std::string boot_unit(const Bdf& address) { return boot_unit_prefix + address.to_string() + ".service"; }

// GRUB's, as Debian and Ubuntu have it.
inline constexpr const char* grub_drop_in = "/etc/default/grub.d/90-gpuplan.cfg";
inline constexpr const char* grub_menu = "/boot/grub/grub.cfg";
inline constexpr const char* iommu_parameter = "intel_iommu=on";

}  // namespace gpuplan
