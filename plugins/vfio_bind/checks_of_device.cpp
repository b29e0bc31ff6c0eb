#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "gpu_subject.h"
#include "host/pci/nvidia/smi.h"
#include "remedies.h"

namespace gpuplan::vfio_bind {
namespace {

std::string path(const GpuSubject& subject, const char* attribute) {
  return sysfs_device(subject.address) + "/" + attribute;
}

// A claim of physical memory: "  e0000000-e07fffff : efifb".
struct MemoryClaim {
  std::uint64_t begin = 0, end = 0;
  std::string owner;
};

std::vector<MemoryClaim> framebuffers(const std::string& iomem) {
  std::vector<MemoryClaim> claims;
  std::istringstream lines(iomem);
  for (std::string line; std::getline(lines, line);) {
    MemoryClaim claim;
    char dash = 0, colon = 0;
    std::istringstream columns(line);
    columns >> std::hex >> claim.begin >> dash >> claim.end >> colon >> claim.owner;
    const bool is_framebuffer =
        claim.owner == "efifb" || claim.owner == "simplefb" || claim.owner == "vesafb" || claim.owner == "BOOTFB";
    if (!columns.fail() && is_framebuffer) claims.push_back(claim);
  }
  return claims;
}

}  // namespace

CheckResult check_class(const GpuSubject& subject) {
  const std::string found = fmt::format("{} is {} (class 0x{:06x})", subject.address.to_string(),
                                        class_name(subject.gpu), subject.gpu.class_code);
  if (subject.gpu.is_gpu()) return subject.pass("is-display-class", found, path(subject, "class"));
  const std::string remedy =
      subject.gpu.is_nvswitch() ? "take this address out of `gpus`: NVSwitches stay with the host, and a VM with all GPUs of a "
                                  "partition has NVLink all the same (docs/hardware.md)"
                                : "only display controllers (class 0x0300, 0x0302, 0x0380) and accelerators (0x1200) can be "
                                  "listed in `gpus`";
  return subject.result("is-display-class", CheckStatus::fail, found, path(subject, "class"), remedy);
}

CheckResult check_device_id(const GpuSubject& subject) {
  const std::string found = fmt::format("{} is {}", subject.address.to_string(), subject.gpu.id.to_string());
  const auto& allowed = subject.spec.gpu_device_ids;
  if (allowed.empty() || std::count(allowed.begin(), allowed.end(), subject.gpu.id) > 0) {
    return subject.pass("device-id", found, path(subject, "device"));
  }
  std::string list;
  for (const PciId& id : allowed) list += (list.empty() ? "" : ", ") + id.to_string();
  return subject.result("device-id", CheckStatus::fail, fmt::format("{}, gpu_device_ids allows {}", found, list),
                        path(subject, "device"),
                        subject.gpu.boot_display
                            ? "take it out of `gpus`: see boot-display"
                            : fmt::format("add {} to gpu_device_ids if this card is meant", subject.gpu.id.to_string()));
}

CheckResult check_audio(const GpuSubject& subject) {
  if (!subject.declared.audio) {
    if (subject.functions.size() < 2) return subject.pass("audio-function", "none declared, none there", "");
    std::string others;
    for (const PciFunction& function : subject.functions) {
      if (function.address != subject.address) others += (others.empty() ? "" : ", ") + describe(function);
    }
    return subject.pass("audio-function", "the slot's other functions travel along: " + others,
                        sysfs_device(subject.address));
  }
  const Bdf audio = *subject.declared.audio;
  const auto at = read_pci_function(subject.host.files(), audio);
  if (!at) {
    return subject.result("audio-function", CheckStatus::fail,
                          fmt::format("there is no PCI device {}", audio.to_string()), sysfs_device(audio),
                          "correct audio_address or leave it out: the slot's functions travel along anyway");
  }
  if (!audio.same_slot(subject.address)) {
    return subject.result("audio-function", CheckStatus::fail,
                          fmt::format("{} is not in the slot of {}", describe(*at), subject.address.to_string()),
                          sysfs_device(audio), "audio_address must name a function of the same card");
  }
  return subject.pass("audio-function", describe(*at) + " travels along", sysfs_device(audio));
}

CheckResult check_boot_display(const GpuSubject& subject) {
  if (!subject.gpu.boot_display) return subject.pass("boot-display", "not the boot display", path(subject, "boot_vga"));
  return subject.result("boot-display", CheckStatus::fail,
                        fmt::format("{} is the display that this host boots on", subject.address.to_string()),
                        path(subject, "boot_vga"),
                        "choose another primary display in the firmware, or take this GPU out of `gpus`");
}

// The firmware's framebuffer keeps a BAR claimed, and vfio-pci then cannot map it.
CheckResult check_framebuffer(const GpuSubject& subject) {
  const std::string iomem = read_trimmed(subject.host.files(), "/proc/iomem").value_or("");
  for (const MemoryClaim& claim : framebuffers(iomem)) {
    // Whom the kernel trusts less than root it shows every name, and zeros for where it lies.
    if (claim.end == 0) {
      return subject.result("framebuffer", CheckStatus::warn,
                            fmt::format("whether the framebuffer {} lies on {} is unknown: its place may not be read", claim.owner,
                                        subject.address.to_string()),
                            "/proc/iomem", how_to_read_all);
    }
    for (const PciBar& bar : subject.gpu.bars) {
      if (bar.base == 0 || claim.begin < bar.base || claim.begin - bar.base >= bar.size) continue;
      return subject.result("framebuffer", CheckStatus::warn,
                            fmt::format("the framebuffer {} lies in BAR {} of {}", claim.owner, bar.index,
                                        subject.address.to_string()),
                            "/proc/iomem",
                            "add `initcall_blacklist=sysfb_init` to the kernel command line and reboot, else the VM "
                            "may not be able to map the GPU");
    }
  }
  return subject.pass("framebuffer", "no firmware framebuffer on it", "/proc/iomem");
}

CheckResult check_nouveau(const GpuSubject& subject) {
  if (subject.gpu.driver != "nouveau") return subject.pass("nouveau", "not on nouveau", path(subject, "driver"));
  return subject.result("nouveau", CheckStatus::warn, fmt::format("{} is on nouveau", subject.address.to_string()),
                        path(subject, "driver"),
                        "a console or desktop on it can block the unbind; better keep nouveau out first: `echo blacklist "
                        "nouveau >/etc/modprobe.d/nouveau.conf && update-initramfs -u` (Fedora, RHEL: `dracut -f`), and "
                        "reboot");
}

CheckResult check_sriov(const GpuSubject& subject) {
  for (const PciFunction& function : subject.functions) {
    if (function.virtual_functions == 0) continue;
    return subject.result("sriov", CheckStatus::fail,
                          fmt::format("{} has {} virtual functions", function.address.to_string(),
                                      function.virtual_functions),
                          sysfs_device(function.address) + "/sriov_numvfs",
                          how_to_remove_virtual_functions(function));
  }
  return subject.pass("sriov", "no virtual functions", path(subject, "sriov_numvfs"));
}

// The mode outlives the driver: the guest would find a GPU cut into instances that it did not ask for.
CheckResult check_mig(const GpuSubject& subject) {
  const std::string from = description_source(subject.address);
  if (!has_driver_tool(subject.gpu)) return subject.pass("mig", "only the nvidia driver could tell", path(subject, "driver"));
  const std::string mode = describe_gpu(subject.host, subject.address).mig;
  if (mode.empty()) return subject.pass("mig", fmt::format("{} does not tell of a MIG mode", driver_tool), from);
  if (mode != "Enabled") return subject.pass("mig", mode == "Disabled" ? "off" : "this GPU has none", from);
  return subject.result("mig", CheckStatus::fail, fmt::format("{} is in MIG mode", subject.address.to_string()), from,
                        "end what uses its instances, then " + how_to_end_mig(subject.address));
}

CheckResult check_reset(const GpuSubject& subject) {
  if (!subject.gpu.reset_methods.empty()) {
    return subject.pass("reset-method", fmt::format("{}", fmt::join(subject.gpu.reset_methods, ", ")),
                        path(subject, "reset_method"));
  }
  // The kernel resets no single function of a card by its bus; vfio does so with all of them in one VM.
  if (subject.functions.size() > 1) {
    return subject.result("reset-method", CheckStatus::warn,
                          fmt::format("{} cannot be reset by itself, only together with its card's other functions",
                                      subject.address.to_string()),
                          path(subject, "reset_method"),
                          "try a reboot of the VM before relying on it: if the GPU does not come back, it has no reset "
                          "that works");
  }
  return subject.result("reset-method", CheckStatus::fail,
                        fmt::format("{} has no reset method", subject.address.to_string()),
                        path(subject, "reset_method"),
                        "without a reset the GPU keeps one VM's data for the next; update its firmware or the kernel, or "
                        "use another card");
}

CheckResult check_bars(const GpuSubject& subject) {
  const char* const remedy = "switch on \"Above 4G Decoding\" in the firmware and reboot";
  if (subject.gpu.bars.empty()) {
    return subject.result("bars-assigned", CheckStatus::fail,
                          fmt::format("{} has no BARs", subject.address.to_string()), path(subject, "resource"), remedy);
  }
  std::string sizes;
  for (const PciBar& bar : subject.gpu.bars) {
    if (bar.base == 0) {
      return subject.result("bars-assigned", CheckStatus::fail,
                            fmt::format("BAR {} ({}) of {} has no address", bar.index, size_words(bar.size),
                                        subject.address.to_string()),
                            path(subject, "resource"), remedy);
    }
    sizes += fmt::format("{}BAR {} {}", sizes.empty() ? "" : ", ", bar.index, size_words(bar.size));
  }
  return subject.pass("bars-assigned", sizes, path(subject, "resource"));
}

CheckResult check_numa(const GpuSubject& subject) {
  const int node = subject.gpu.numa_node;
  return subject.pass("numa", node < 0 ? "NUMA node unknown" : fmt::format("NUMA node {}", node),
                      path(subject, "numa_node"));
}

}  // namespace gpuplan::vfio_bind
