// The kernel parameters with which an Intel host uses its IOMMU from the next boot on, set through GRUB.
// Sources: https://docs.kernel.org/admin-guide/kernel-parameters.html (intel_iommu, iommu), and grub-mkconfig(8) as
// Debian and Ubuntu ship it, which reads /etc/default/grub.d/*.cfg after /etc/default/grub.
#pragma once

#include "host/pci/boot_files.h"
#include "host/ports.h"
#include "json/json.h"

namespace gpuplan::iommu_check {

// True if this host has update-grub(8). Throws HostError.
bool has_update_grub(HostReader& host);
// True if GRUB's menu starts the kernel with intel_iommu=on, whoever made it so.
bool is_iommu_set_for_boot(FileReader& files);

// What the functions below may change, for restore_boot.
Json capture_boot(FileReader& files);
// All idempotent, durable, and finished only when update-grub is. Throw HostError.
void set_iommu_for_boot(Host& host);
void unset_iommu_for_boot(Host& host);
void restore_boot(const Json& captured, Host& host);

}  // namespace gpuplan::iommu_check
