#include <fmt/format.h>

#include "boot_parameters.h"
#include "host_subject.h"

namespace gpuplan::iommu_check {
namespace {

constexpr const char* tables_path = "/sys/firmware/acpi/tables";
constexpr const char* groups_path = "/sys/kernel/iommu_groups";

bool has_parameter(const std::string& command_line, const std::string& parameter) {
  return (" " + command_line + " ").find(" " + parameter + " ") != std::string::npos;
}

std::string how_to_set(FileReader& files, const std::string& parameter) {
  const PackageFamily family = read_package_family(files);
  if (family == PackageFamily::dnf) {
    return fmt::format("run `grubby --update-kernel=ALL --args={}` and reboot", parameter);
  }
  const char* const then = family == PackageFamily::apt      ? "run `update-grub`"
                           : family == PackageFamily::zypper ? "run `grub2-mkconfig -o /boot/grub2/grub.cfg`"
                                                             : "make GRUB's menu anew";
  return fmt::format("add {} to GRUB_CMDLINE_LINUX in /etc/default/grub, {} and reboot", parameter, then);
}

// Ubuntu, RHEL and their relatives ship some modules apart from the kernel. Debian does not: there it takes the kernel
// for servers instead of one for clouds or of somebody's own.
std::string how_to_get_vfio(FileReader& files) {
  switch (read_package_family(files)) {
    case PackageFamily::dnf: return "dnf install kernel-modules";
    case PackageFamily::apt: break;
    case PackageFamily::zypper:
    case PackageFamily::unknown: return "boot a kernel of the distribution that is built with CONFIG_VFIO_PCI";
  }
  if (read_system_id(files) == "ubuntu") return "apt install linux-modules-extra-$(uname -r)";
  return "boot a kernel that has it: `apt install linux-image-amd64`, and reboot into that";
}

// VT-d is there, and the kernel waits to be told to use it.
CheckResult parameter_missing(const HostSubject& subject) {
  const char* const found = "the firmware offers VT-d, but the kernel does not use it: there are no IOMMU groups";
  std::string remedy = how_to_set(subject.host.files(), "intel_iommu=on");
  if (is_iommu_set_for_boot(subject.host.files())) {
    CheckResult waits = subject.result("iommu-groups", CheckStatus::fail,
                                       "intel_iommu=on is set for the next boot: until then there are no IOMMU groups",
                                       grub_menu, "reboot this host, then run the same command again");
    waits.needs_reboot = true;
    return waits;
  }
  if (!subject.spec.host.configure_boot) {
    if (has_update_grub(subject.host)) remedy += "; or let gpuplan do that: `host: {configure_boot: true}`";
    return subject.result("iommu-groups", CheckStatus::fail, found, groups_path, remedy);
  }
  if (!has_update_grub(subject.host)) {
    return subject.result("iommu-groups", CheckStatus::fail,
                          std::string(found) + ", and host.configure_boot needs update-grub, which is not there",
                          groups_path, remedy, "host.configure_boot");
  }
  return subject.result("iommu-groups", CheckStatus::warn, found, groups_path,
                        "`apply` sets intel_iommu=on and ends; reboot this host then, and run it again");
}

// The firmware announces an IOMMU, but the kernel made no groups: why not.
CheckResult groups_switched_off(const HostSubject& subject, const std::string& table) {
  const std::string command_line = subject.read("/proc/cmdline");
  for (const char* parameter : {"intel_iommu=off", "amd_iommu=off", "iommu=off"}) {
    if (!has_parameter(command_line, parameter)) continue;
    return subject.result("iommu-groups", CheckStatus::fail,
                          fmt::format("the IOMMU is switched off by the kernel parameter {}", parameter), "/proc/cmdline",
                          fmt::format("take {} out of the kernel command line and reboot", parameter));
  }
  if (table == "intel") {
    if (!has_parameter(command_line, "intel_iommu=on")) return parameter_missing(subject);
    return subject.result("iommu-groups", CheckStatus::fail,
                          "the kernel was started with intel_iommu=on, and there are no IOMMU groups all the same",
                          groups_path, "`dmesg | grep -i dmar` says why; boot a kernel with CONFIG_INTEL_IOMMU");
  }
  return subject.result("iommu-groups", CheckStatus::fail,
                        "the firmware offers AMD-Vi, but the kernel does not use it: there are no IOMMU groups",
                        groups_path, "`dmesg | grep AMD-Vi` says why; boot a kernel with CONFIG_AMD_IOMMU");
}

}  // namespace

CheckResult check_iommu_firmware(const HostSubject& subject) {
  const char* const name = "iommu-firmware";
  const std::string table = read_iommu_table(subject.host.files());
  if (table == "intel") return subject.pass(name, "VT-d is on (table DMAR)", std::string(tables_path) + "/DMAR");
  if (table == "amd") return subject.pass(name, "AMD-Vi is on (table IVRS)", std::string(tables_path) + "/IVRS");
  if (count_iommu_groups(subject.host.files()) > 0) {
    return subject.pass(name, "no DMAR or IVRS table, but the kernel has IOMMU groups", groups_path);
  }
  const CpuFacts cpu = read_cpu(subject.host.files());
  if (cpu.is_guest) {
    return subject.result(name, CheckStatus::fail,
                          "this host is itself a virtual machine and sees no IOMMU", tables_path,
                          "run gpuplan on the physical server, or give this VM a virtual IOMMU (libvirt: "
                          "<iommu model='intel'>)");
  }
  return subject.result(name, CheckStatus::fail,
                        fmt::format("the firmware offers no IOMMU: neither a DMAR nor an IVRS table is there"), tables_path,
                        fmt::format("switch on {} in the firmware setup and reboot",
                                    cpu.is_intel ? "VT-d" : cpu.is_amd ? "AMD-Vi (IOMMU)" : "VT-d or AMD-Vi (IOMMU)"));
}

CheckResult check_iommu_groups(const HostSubject& subject) {
  const std::size_t groups = count_iommu_groups(subject.host.files());
  if (groups > 0) return subject.pass("iommu-groups", fmt::format("{} IOMMU groups", groups), groups_path);
  const std::string table = read_iommu_table(subject.host.files());
  if (table != "none") return groups_switched_off(subject, table);
  return subject.result("iommu-groups", CheckStatus::fail, "there are no IOMMU groups", groups_path,
                        "see iommu-firmware: the IOMMU must be there first");
}

CheckResult check_interrupt_remapping(const HostSubject& subject) {
  const char* const name = "interrupt-remapping";
  if (has_interrupt_remapping(subject.host.files())) {
    return subject.pass(name, "interrupts are remapped", "/proc/interrupts");
  }
  const std::string command_line = subject.read("/proc/cmdline");
  for (const char* parameter : {"intremap=off", "nointremap"}) {
    if (!has_parameter(command_line, parameter)) continue;
    return subject.result(name, CheckStatus::fail,
                          fmt::format("interrupt remapping is switched off by the kernel parameter {}, so a VM could fake "
                                      "the host's interrupts", parameter),
                          "/proc/cmdline", fmt::format("take {} out of the kernel command line and reboot", parameter));
  }
  const char* const found =
      "interrupts are not remapped: no interrupt chip is named IR-…, so a VM could fake the host's interrupts";
  const bool has_iommu = read_iommu_table(subject.host.files()) != "none" || count_iommu_groups(subject.host.files()) > 0;
  return subject.result(name, CheckStatus::fail, found, "/proc/interrupts",
                        has_iommu ? "switch on interrupt remapping (x2APIC) beside VT-d or AMD-Vi in the firmware setup and "
                                    "reboot; `dmesg | grep -i remapping` says what the kernel missed"
                                  : "see iommu-firmware: the IOMMU must be there first");
}

CheckResult check_unsafe_interrupts(const HostSubject& subject) {
  const char* const path = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts";
  const std::string value = subject.read(path);
  if (value != "Y" && value != "1") return subject.pass("unsafe-interrupts", "not allowed", path);
  return subject.result("unsafe-interrupts", CheckStatus::fail,
                        "vfio_iommu_type1 is loaded with allow_unsafe_interrupts=1", path,
                        fmt::format("take it out of /etc/modprobe.d and the kernel command line, then `echo N > {}`", path));
}

CheckResult check_vfio_modules(const HostSubject& subject) {
  const char* const name = "vfio-modules";
  const char* const driver = "/sys/bus/pci/drivers/vfio-pci";
  if (subject.host.files().kind(driver) != FileKind::none) return subject.pass(name, "vfio-pci is loaded", driver);
  Command modinfo;
  modinfo.argv = {"modinfo", "-n", "vfio-pci"};
  const std::string words = join_argv(modinfo.argv);
  try {
    if (subject.host.query(modinfo).ok()) return subject.pass(name, "vfio-pci can be loaded", words);
  } catch (const HostError& error) {
    return subject.result(name, CheckStatus::warn,
                          fmt::format("whether vfio-pci can be loaded is unknown: {}", error.what()), words,
                          "install kmod");
  }
  return subject.result(name, CheckStatus::fail, "this kernel has no vfio-pci module", words,
                        how_to_get_vfio(subject.host.files()));
}

}  // namespace gpuplan::iommu_check
