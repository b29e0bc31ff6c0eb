// The host and the spec, as the checks of iommu-check see them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/pci/pci.h"
#include "host/pci/platform.h"
#include "plugin/plugin.h"

namespace gpuplan::iommu_check {

// One VM that the spec asks for.
struct DeclaredVm {
  std::string name;
  VmResources resources;
  const WorkerSpec* worker = nullptr;  // a null pointer for the control plane
};

struct HostSubject {
  const Resource& resource;
  const Spec& spec;
  HostReader& host;

  // `where` is the path of a declaration in the spec; empty: none.
  CheckResult result(std::string name, CheckStatus status, std::string found, std::string read_from,
                     std::string remedy = {}, const std::string& where = {}) const;
  CheckResult pass(std::string name, std::string found, std::string read_from) const;

  bool has_gpus() const { return !spec.gpus.empty(); }
  std::vector<DeclaredVm> vms() const;  // control plane first
  std::string read(const std::string& path) const;  // empty if it cannot be read
};

// How packages are installed here, from /etc/os-release.
enum class PackageFamily { apt, dnf, zypper, unknown };
PackageFamily read_package_family(FileReader& files);
// The system's ID in /etc/os-release: "debian"; empty if it does not say.
std::string read_system_id(FileReader& files);
// The service that runs the VMs: Fedora and RHEL 9 start virtqemud where others have libvirtd.
// Source: https://libvirt.org/daemons.html
std::string libvirt_service(FileReader& files);

// checks_of_hardware.cpp: demanded only if GPUs are passed through.
CheckResult check_iommu_firmware(const HostSubject& subject);
CheckResult check_iommu_groups(const HostSubject& subject);
CheckResult check_interrupt_remapping(const HostSubject& subject);
CheckResult check_unsafe_interrupts(const HostSubject& subject);
CheckResult check_vfio_modules(const HostSubject& subject);
// check_nvswitch.cpp
CheckResult check_nvswitch(const HostSubject& subject);
// checks_of_memory.cpp: demanded only if there are VMs, like those below.
CheckResult check_memory(const HostSubject& subject);
// One result for each size of huge pages that the spec asks for.
std::vector<CheckResult> check_hugepages(const HostSubject& subject);
// checks_of_software.cpp
CheckResult check_cpu_virtualization(const HostSubject& subject);
CheckResult check_packages(const HostSubject& subject);
CheckResult check_libvirt(const HostSubject& subject);
// check_kvm.cpp: whether the user that runs QEMU may use /dev/kvm.
CheckResult check_kvm_access(const HostSubject& subject);
// check_network.cpp
CheckResult check_network(const HostSubject& subject);

}  // namespace gpuplan::iommu_check
