#include <fmt/format.h>

#include <algorithm>

#include "gpu_subject.h"
#include "host/pci/nvidia/smi.h"
#include "host/pci/platform.h"
#include "host/virsh.h"
#include "host/xml/domain_xml.h"
#include "remedies.h"
#include "services.h"

namespace gpuplan::vfio_bind {
namespace {

// The worker that gets a GPU, by index; nothing if none or if the address is not declared.
const WorkerSpec* worker_of(const Spec& spec, const Bdf& address) {
  for (const WorkerSpec& worker : spec.workers) {
    for (const std::size_t index : worker.gpu_indexes) {
      if (index < spec.gpus.size() && spec.gpus[index].address.same_slot(address)) return &worker;
    }
  }
  return nullptr;
}

bool is_declared(const Spec& spec, const Bdf& address) {
  return std::any_of(spec.gpus.begin(), spec.gpus.end(),
                     [&](const GpuSpec& gpu) { return gpu.address.same_slot(address); });
}

// A domain that has a function of this slot.
struct DomainUse {
  std::string name;
  bool running = false;
  std::string owner;  // gpuplan's cluster that made it; empty: gpuplan did not
};

std::vector<DomainUse> domains_with(const GpuSubject& subject) {
  std::vector<DomainUse> uses;
  for (const DomainState& state : subject.host.hypervisor().domains()) {
    const auto definition = parse_domain(state.xml);
    if (!definition) continue;
    const bool has_it = std::any_of(definition->devices.begin(), definition->devices.end(),
                                    [&](const Bdf& device) { return device.same_slot(subject.address); });
    if (!has_it) continue;
    uses.push_back({state.name, state.power == PowerState::running, definition->owner.cluster});
  }
  return uses;
}

// The running domain that has the GPU, whoever made it.
std::optional<DomainUse> running_domain(const GpuSubject& subject) {
  try {
    for (const DomainUse& use : domains_with(subject)) {
      if (use.running) return use;
    }
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
  }
  return std::nullopt;
}

CheckResult held(const GpuSubject& subject, const PciFunction& function, const DeviceHolder& holder) {
  const std::string from = fmt::format("/proc/{}/fd", holder.pid);
  const std::string what = function.is_gpu() ? "GPU " + function.address.to_string() : describe(function);
  const std::string found = fmt::format("{} is held by {}", what, describe(holder));
  return subject.result("in-use", CheckStatus::fail, found, from, how_to_free(holder));
}

CheckResult foreign(const GpuSubject& subject, const DomainUse& use) {
  const char* const name = "foreign-domain";
  const bool is_gpuplans = !use.owner.empty();
  const std::string found =
      fmt::format("{} belongs to the {} VM {}{}", subject.address.to_string(), use.running ? "running" : "defined",
                  use.name, is_gpuplans ? " of gpuplan's cluster " + use.owner : ", which gpuplan did not make");
  if (!use.running) {
    return subject.result(name, CheckStatus::warn, found, "libvirt",
                          fmt::format("do not start {} while the cluster has the GPU", use.name));
  }
  if (is_gpuplans) {
    return subject.result(name, CheckStatus::fail, found, "libvirt",
                          fmt::format("take the GPU out of the spec of {} and apply that, or list another GPU", use.owner));
  }
  HypervisorReader& hypervisor = subject.host.hypervisor();
  return subject.result(name, CheckStatus::fail, found, "libvirt",
                        fmt::format("shut {} down{} and take the GPU out of it{}, or list another GPU", use.name,
                                    with_virsh(hypervisor, {"shutdown", use.name}),
                                    with_virsh(hypervisor, {"edit", use.name})));
}

// Without a program that only looks for a moment: gpuplan's own checks run some, side by side.
std::vector<DeviceHolder> lasting_holders(const GpuSubject& subject, const PciFunction& function,
                                          std::vector<std::string>& unreadable) {
  constexpr int looks = 20;
  constexpr std::chrono::milliseconds between{500};
  for (int look = 1;; ++look) {
    std::vector<std::string> unreadable_now;
    auto holders = read_holders(subject.host.files(), function, unreadable_now);
    const bool is_looked_at = std::any_of(holders.begin(), holders.end(), only_looks);
    if (!is_looked_at || look == looks || Interrupt::requested()) {
      unreadable.insert(unreadable.end(), unreadable_now.begin(), unreadable_now.end());
      return holders;
    }
    subject.host.clock().sleep_for(between);
  }
}

// "0000:02:00.0 (Ethernet controller, driver i40e, interface enp2s0f0)"
std::string describe_with_interfaces(const GpuSubject& subject, const PciFunction& function) {
  std::string text = describe(function);
  const std::string directory = sysfs_device(function.address) + "/net";
  if (subject.host.files().kind(directory) == FileKind::none) return text;
  for (const std::string& interface : subject.host.files().list(directory)) {
    text.insert(text.size() - 1, ", interface " + interface);
  }
  return text;
}

CheckResult group_in_use(const GpuSubject& subject, int group, const std::vector<PciFunction>& others) {
  std::string found, gpus;
  for (const PciFunction& other : others) {
    found += (found.empty() ? "" : ", ") + describe_with_interfaces(subject, other);
    if (other.is_gpu()) gpus += (gpus.empty() ? "" : ", ") + other.address.to_string();
  }
  const std::string list_them =
      gpus.empty() ? "" : fmt::format("list {} in `gpus` and give it to the same worker, or ", gpus);
  return subject.result("iommu-group", CheckStatus::fail, fmt::format("IOMMU group {} also holds {}", group, found),
                        fmt::format("/sys/kernel/iommu_groups/{}/devices", group),
                        fmt::format("a group can only be given away as a whole: {}switch on ACS in the firmware or move "
                                    "the card to another slot", list_them));
}

}  // namespace

CheckResult check_group(const GpuSubject& subject) {
  const char* const name = "iommu-group";
  if (!subject.gpu.iommu_group && subject.spec.host.configure_boot && count_iommu_groups(subject.host.files()) == 0) {
    return subject.result(name, CheckStatus::warn,
                          fmt::format("what shares an IOMMU group with {} shows only after the reboot",
                                      subject.address.to_string()),
                          "/sys/kernel/iommu_groups", "see the check iommu-groups of iommu-check/host");
  }
  if (!subject.gpu.iommu_group) {
    return subject.result(name, CheckStatus::fail,
                          fmt::format("{} is in no IOMMU group", subject.address.to_string()),
                          sysfs_device(subject.address) + "/iommu_group",
                          "see the checks of iommu-check/host: the IOMMU must be on");
  }
  const int group = *subject.gpu.iommu_group;
  const std::string from = fmt::format("/sys/kernel/iommu_groups/{}/devices", group);
  const WorkerSpec* worker = worker_of(subject.spec, subject.address);
  std::vector<PciFunction> in_use;
  for (const Bdf& member : read_iommu_group(subject.host.files(), group)) {
    const auto at = read_pci_function(subject.host.files(), member);
    if (!at || (member.same_slot(subject.address) && !at->is_bridge())) continue;
    if (!at->is_bridge() && is_declared(subject.spec, member)) {
      const WorkerSpec* other = worker_of(subject.spec, member);
      if (other == worker || other == nullptr || worker == nullptr) continue;
      return subject.result(name, CheckStatus::fail,
                            fmt::format("IOMMU group {} holds {} for {} and {} for {}", group,
                                        subject.address.to_string(), worker->name, member.to_string(), other->name),
                            from, "a group can only go to one VM: assign these GPUs to the same worker");
    }
    if (!at->leaves_group_to_vfio()) in_use.push_back(*at);
  }
  if (!in_use.empty()) return group_in_use(subject, group, in_use);
  return subject.pass(name, fmt::format("IOMMU group {} holds nothing that the host uses", group), from);
}

CheckResult check_in_use(const GpuSubject& subject) {
  std::vector<std::string> unreadable;
  std::string stopped;
  std::string inputs;
  for (const PciFunction& function : subject.functions) {
    for (const UsedDisk& disk : read_used_disks(subject.host.files(), function)) {
      return subject.result("in-use", CheckStatus::fail,
                            fmt::format("disk {} on {} {}", disk.name, describe(function), disk.use), disk.read_from,
                            fmt::format("unmount {} and whatever stands on it, or plug it in elsewhere", disk.name));
    }
    for (const DeviceHolder& holder : read_input_holders(subject.host.files(), function, unreadable)) {
      inputs += fmt::format("{}{} on {} is used by {}", inputs.empty() ? "" : ", ", holder.file, describe(function),
                            describe(holder));
    }
    const auto holders = lasting_holders(subject, function, unreadable);
    if (holders.empty()) continue;
    const auto domain = function.driver == "vfio-pci" ? running_domain(subject) : std::nullopt;
    if (domain) {
      const bool ours = domain->owner == subject.spec.cluster;
      return subject.pass("in-use", ours ? "used by a VM of this cluster"
                                         : fmt::format("used by the VM {}: see foreign-domain", domain->name), "libvirt");
    }
    for (const DeviceHolder& holder : holders) {
      if (!may_be_stopped(holder.unit, subject.spec)) return held(subject, function, holder);
      stopped += (stopped.empty() ? "" : ", ") + describe(holder);
    }
  }
  if (!inputs.empty()) {
    return subject.result("in-use", CheckStatus::warn, inputs, "/proc",
                          "it goes to the VM with its USB controller: plug it in elsewhere if the host needs it");
  }
  if (!unreadable.empty()) {
    return subject.result("in-use", CheckStatus::warn, fmt::format("{}", fmt::join(unreadable, "; ")), "/proc",
                          how_to_read_all);
  }
  if (!stopped.empty()) {
    return subject.pass("in-use", fmt::format("held by {}, which host.stop_services allows to stop", stopped), "/proc");
  }
  return subject.pass("in-use", "no process has it open", "/proc");
}

CheckResult check_domains(const GpuSubject& subject) {
  const char* const name = "foreign-domain";
  std::vector<DomainUse> uses;
  try {
    uses = domains_with(subject);
  } catch (const HostError& error) {
    return subject.result(name, CheckStatus::warn,
                          fmt::format("whether another VM has {} is unknown: {}", subject.address.to_string(),
                                      error.what()),
                          subject.spec.host.libvirt_uri, "see the check libvirt of iommu-check/host");
  }
  for (const bool running : {true, false}) {
    for (const DomainUse& use : uses) {
      if (use.running == running && use.owner != subject.spec.cluster) return foreign(subject, use);
    }
  }
  return subject.pass(name, "no VM of somebody else has it", "libvirt");
}

}  // namespace gpuplan::vfio_bind
