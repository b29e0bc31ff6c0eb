#include <fmt/format.h>

#include <algorithm>

#include "host_subject.h"

namespace gpuplan::iommu_check {
namespace {

// One program or file set that the VMs need, and the packages that bring it.
struct Component {
  std::string name;
  std::vector<std::vector<std::string>> programs;  // it is there if one of these can be run
  std::vector<std::string> paths;                  // or one of these exists
  std::string apt, dnf, zypper;
};

Component libvirt() {
  return {"libvirt", {}, {"/usr/sbin/libvirtd", "/usr/sbin/virtqemud"}, "libvirt-daemon-system", "libvirt", "libvirt"};
}

std::vector<Component> needed_components(const HostSubject& subject) {
  std::vector<Component> needed{
      {"QEMU", {{"qemu-system-x86_64", "--version"}}, {"/usr/libexec/qemu-kvm"}, "qemu-system-x86", "qemu-kvm", "qemu-x86"},
      {"qemu-img", {{"qemu-img", "--version"}}, {}, "qemu-utils", "qemu-img", "qemu-img"},
      libvirt()};
  const auto vms = subject.vms();
  const bool needs_efi =
      std::any_of(vms.begin(), vms.end(), [](const DeclaredVm& vm) { return vm.resources.firmware == "efi"; });
  if (needs_efi) {
    needed.push_back({"OVMF firmware", {}, {"/usr/share/OVMF", "/usr/share/edk2/ovmf", "/usr/share/qemu/ovmf-x86_64.bin"},
                      "ovmf", "edk2-ovmf", "qemu-ovmf-x86_64"});
  }
  return needed;
}

bool query_works(HostReader& host, std::vector<std::string> argv, const std::string& expected = {}) {
  Command command;
  command.argv = std::move(argv);
  try {
    const CommandResult result = host.query(command);
    return result.ok() && (expected.empty() || result.output == expected);
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
    return false;
  }
}

bool is_installed(HostReader& host, PackageFamily family, const Component& component) {
  switch (family) {
    case PackageFamily::apt:
      return query_works(host, {"dpkg-query", "-W", "-f", "${db:Status-Status}", component.apt}, "installed");
    case PackageFamily::dnf: return query_works(host, {"rpm", "-q", component.dnf});
    case PackageFamily::zypper: return query_works(host, {"rpm", "-q", component.zypper});
    case PackageFamily::unknown: break;
  }
  return false;
}

bool is_present(HostReader& host, PackageFamily family, const Component& component) {
  for (const auto& argv : component.programs) {
    if (query_works(host, argv)) return true;
  }
  for (const std::string& path : component.paths) {
    if (host.files().kind(path) != FileKind::none) return true;
  }
  return is_installed(host, family, component);
}

}  // namespace

CheckResult check_cpu_virtualization(const HostSubject& subject) {
  const char* const name = "cpu-virtualization";
  const CpuFacts cpu = read_cpu(subject.host.files());
  if (!cpu.has_virtualization) {
    // Without KVM a VM is a slow try-out; nobody gives it a GPU.
    const std::string nested = std::string("switch on nested virtualization where this VM is defined") +
                               (subject.has_gpus() ? "" : ", or set host.accel: tcg");
    const std::string remedy = cpu.is_guest
                                   ? nested
                                   : fmt::format("switch on {} in the firmware setup",
                                                 cpu.is_intel ? "VT-x" : cpu.is_amd ? "SVM" : "VT-x or SVM");
    return subject.result(name, CheckStatus::fail, "the processor shows neither vmx nor svm", "/proc/cpuinfo", remedy);
  }
  if (subject.host.files().kind("/dev/kvm") == FileKind::none) {
    return subject.result(name, CheckStatus::fail, "the processor can virtualize, but there is no /dev/kvm", "/dev/kvm",
                          fmt::format("`modprobe {}`; if that fails, switch on {} in the firmware setup",
                                      cpu.is_amd ? "kvm_amd" : "kvm_intel", cpu.is_amd ? "SVM" : "VT-x"));
  }
  return subject.pass(name, "virtualization is on and /dev/kvm is there", "/proc/cpuinfo, /dev/kvm");
}

CheckResult check_packages(const HostSubject& subject) {
  const PackageFamily family = read_package_family(subject.host.files());
  std::string missing, apt, dnf, zypper;
  for (const Component& component : needed_components(subject)) {
    if (is_present(subject.host, family, component)) continue;
    missing += (missing.empty() ? "" : ", ") + component.name;
    apt += " " + component.apt;
    dnf += " " + component.dnf;
    zypper += " " + component.zypper;
  }
  if (missing.empty()) return subject.pass("packages", "QEMU and libvirt are installed", "");
  std::string remedy = "install them with the package manager of this distribution";
  if (family == PackageFamily::apt) remedy = "apt install" + apt;
  if (family == PackageFamily::dnf) remedy = "dnf install" + dnf;
  if (family == PackageFamily::zypper) remedy = "zypper install" + zypper;
  return subject.result("packages", CheckStatus::fail, missing + (missing.find(',') == std::string::npos ? " is" : " are") +
                        " not installed", "/etc/os-release", remedy);
}

CheckResult check_libvirt(const HostSubject& subject) {
  const std::string& uri = subject.spec.host.libvirt_uri;
  try {
    const std::size_t domains = subject.host.hypervisor().domains().size();
    return subject.pass("libvirt", fmt::format("reachable, {} VMs defined", domains), uri);
  } catch (const HostError& error) {
    const bool denied = error.kind() == HostError::Kind::denied;
    if (!denied && !is_present(subject.host, read_package_family(subject.host.files()), libvirt())) {
      return subject.result("libvirt", CheckStatus::fail, error.what(), uri, "see packages: it must be installed first");
    }
    return subject.result("libvirt", CheckStatus::fail, error.what(), uri,
                          denied ? "run gpuplan as root, or `usermod -aG libvirt $USER` as root and log in anew"
                                 : fmt::format("`systemctl enable --now {}`, and look at host.libvirt_uri",
                                               libvirt_service(subject.host.files())));
  }
}

}  // namespace gpuplan::iommu_check
