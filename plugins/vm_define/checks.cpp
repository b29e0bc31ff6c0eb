#include "checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "domain.h"
#include "fabric.h"
#include "host/virsh.h"
#include "placement.h"
#include "vm_define.h"

namespace gpuplan::vm_define {

void Findings::add(CheckStatus status, std::string name, std::string found, std::string read_from,
                   std::string remedy) {
  results.push_back({std::move(name), resource.address, status, std::move(found), std::move(read_from),
                     std::move(remedy), false, resource.where});
}

void Findings::pass(std::string name, std::string found, std::string read_from) {
  add(CheckStatus::pass, std::move(name), std::move(found), std::move(read_from), {});
}

void Findings::fail(std::string name, std::string found, std::string read_from, std::string remedy) {
  add(CheckStatus::fail, std::move(name), std::move(found), std::move(read_from), std::move(remedy));
}

namespace {

void check_name(const Vm& vm, HostReader& host, Findings& findings) {
  const auto domain = find_domain(host.hypervisor(), vm.name);
  const std::string from = fmt::format("libvirt, domain {}", vm.name);
  if (!domain) {
    findings.pass("vm-name", fmt::format("no domain is called {}", vm.name), "libvirt");
    return;
  }
  const std::string& owner = domain->definition.owner.cluster;
  if (owner == vm.owner) {
    findings.pass("vm-name", fmt::format("domain {} was made by gpuplan for this cluster", vm.name), from);
    return;
  }
  findings.fail(
      "vm-name",
      owner.empty() ? fmt::format("a domain called {} exists that gpuplan did not make", vm.name)
                    : fmt::format("domain {} belongs to gpuplan's cluster {}", vm.name, owner),
      from,
      fmt::format("rename it while it is shut down{}, or give this cluster another name (`cluster:`)",
                  with_virsh(host.hypervisor(), {"domrename", vm.name, "NEW-NAME"})));
}

void check_disk(const Vm& vm, const Prior& prior, HostReader& host, Findings& findings) {
  const auto pool = host.hypervisor().pool(vm.pool);
  if (!pool || !pool->active) return;
  const auto domain = find_domain(host.hypervisor(), vm.name);
  const bool ours = prior.owned || (domain && domain->definition.owner.cluster == vm.owner);
  const std::string from = fmt::format("libvirt, storage pool {}", vm.pool);
  for (const VolumeState& volume : host.hypervisor().volumes(vm.pool)) {
    if (!ours && is_volume_of(vm.name, volume.name)) {
      findings.fail(
          "vm-disk", fmt::format("volume {} exists in pool {}, and gpuplan does not know it", volume.name, vm.pool),
          from,
          fmt::format("delete it if nobody needs it{}, else rename it",
                      with_virsh(host.hypervisor(), {"vol-delete", "--pool", vm.pool, volume.name})));
    }
    const std::int64_t has = volume.capacity_bytes / bytes_per_gib;
    if (ours && domain && volume.path == domain->disk_path() && has > vm.disk_gib) {
      findings.fail(
          "vm-disk",
          fmt::format("the disk of {} has {} GiB, the spec says {}: a disk cannot shrink", vm.name, has, vm.disk_gib),
          from, fmt::format("declare `disk: {}` or more", has));
    }
  }
}

// Every index exists, and no GPU is given away twice (defects that a VM would show only at its start). Of VMs of others
// that have a GPU, that GPU's vfio-bind tells.
void check_assignment(const Vm& vm, const Spec& spec, Findings& findings) {
  for (const std::string& gpu : vm.gpus) {
    if (!parse_bdf(gpu)) {
      findings.fail("gpu-assignment",
                    fmt::format("{} is assigned {}, but the spec lists {} GPUs", vm.name, gpu, spec.gpus.size()),
                    "worker_gpu_assignment",
                    spec.gpus.empty() ? "list GPUs under `gpus:`"
                                      : fmt::format("use indexes from 0 to {}", spec.gpus.size() - 1));
    }
  }
  for (const WorkerSpec& other : spec.workers) {
    if (other.name == vm.name) {
      for (std::size_t i = 1; i < vm.gpus.size(); ++i) {
        if (vm.gpus[i] != vm.gpus[i - 1]) continue;  // ascending
        findings.fail("gpu-assignment", fmt::format("GPU {} is assigned to {} twice", vm.gpus[i], vm.name),
                      "worker_gpu_assignment", "name each index once");
      }
      continue;
    }
    for (const std::size_t index : other.gpu_indexes) {
      const std::string gpu = index < spec.gpus.size() ? spec.gpus[index].address.to_string() : "";
      if (std::find(vm.gpus.begin(), vm.gpus.end(), gpu) == vm.gpus.end()) continue;
      findings.fail("gpu-assignment", fmt::format("GPU {} is assigned to both {} and {}", gpu, vm.name, other.name),
                    "worker_gpu_assignment", "a GPU can belong to one VM: take it out of one of the two lists");
    }
  }
  const bool has_findings = std::any_of(findings.results.begin(), findings.results.end(),
                                        [](const CheckResult& result) { return result.name == "gpu-assignment"; });
  if (has_findings || vm.gpus.empty()) return;
  findings.pass("gpu-assignment", fmt::format("{} GPUs, none of them assigned twice", vm.gpus.size()),
                "worker_gpu_assignment");
}

std::string bits_text(const std::optional<int>& bits) {
  return bits ? fmt::format("{}", *bits) : "an unknown number of";
}

// What QEMU gives a processor that it emulates itself, on whatever host (TCG_PHYS_ADDR_BITS in target/i386/cpu.h).
constexpr int emulated_address_bits = 40;

// SeaBIOS has a little less than 1 GiB there; what does not fit it moves above the guest's memory.
bool fits_below_4_gib(const std::vector<PciFunction>& functions) {
  std::uint64_t bytes = 0;
  for (const PciFunction& function : functions) bytes += function.window_bytes();
  return bytes < (1ULL << 30U);
}

void check_address_width(const Vm& vm, HostReader& host, Findings& findings) {
  std::vector<std::string> gpus;
  for (const std::string& gpu : vm.gpus) {
    const auto address = parse_bdf(gpu);
    if (address && host.files().kind(sysfs_device(*address)) != FileKind::none) gpus.push_back(gpu);
  }
  if (gpus.empty()) return;  // what is missing is named by the GPUs' own checks
  const std::vector<PciFunction> functions = functions_of(host.files(), gpus);
  const std::int64_t window = mmio64_window_mib(functions);
  const int needed = address_bits_needed(vm.memory_mib, window);
  AddressWidth width = read_address_width(host.files());
  const bool is_emulated = vm.accel == "tcg";
  if (is_emulated) width.cpu = emulated_address_bits;
  const std::string found = fmt::format(
      "{} needs {} address bits for {} GiB of memory and a {} GiB window for its GPUs; {} {}, the IOMMU {}", vm.name, needed,
      vm.memory_mib / 1024, window / 1024, is_emulated ? "QEMU's emulated processors (host.accel: tcg) have" : "the processors have",
      bits_text(width.cpu), bits_text(width.iommu));
  const std::string from = is_emulated ? "/sys/class/iommu" : "/proc/cpuinfo, /sys/class/iommu";
  const auto usable = width.usable();
  if (!usable) {
    findings.add(CheckStatus::warn, "address-width", found, from, "check by hand that the host has as many");
  } else if (*usable < needed) {
    findings.fail("address-width", found, from,
                  is_emulated ? "use `host: {accel: kvm}`, or give the VM fewer GPUs or less memory"
                              : "give the VM fewer GPUs, or less memory");
  } else if (vm.firmware == "bios" && !fits_below_4_gib(functions)) {
    findings.add(CheckStatus::warn, "address-width", found + "; with firmware bios SeaBIOS alone decides where their BARs lie",
                 from, "declare `firmware: efi` for it: that firmware is told how large the window has to be");
  } else {
    findings.pass("address-width", found, from);
  }
}

// Why libvirt cannot be asked is said once, by iommu-check.
bool can_ask_libvirt(HostReader& host) {
  try {
    host.hypervisor().domains();
    return true;
  } catch (const HostError& error) {
    const HostError::Kind kind = error.kind();
    if (kind == HostError::Kind::unreachable || kind == HostError::Kind::denied || kind == HostError::Kind::unsupported) {
      return false;
    }
    throw;
  }
}

// With which what all VMs share is checked.
std::string first_vm(const Spec& spec) {
  if (spec.kubernetes.enabled && !spec.control_plane.machine) return spec.control_plane.name;
  const auto worker = std::find_if(spec.workers.begin(), spec.workers.end(), [](const WorkerSpec& each) { return !each.machine; });
  return worker == spec.workers.end() ? spec.control_plane.name : worker->name;
}

}  // namespace

std::vector<CheckResult> VmDefine::check(const Resource& resource, const Spec& spec, const Prior& prior,
                                         HostReader& host) const {
  const Vm vm = vm_of(resource);
  Findings findings{resource, {}};
  const bool asks_libvirt = can_ask_libvirt(host);
  if (asks_libvirt) {
    check_name(vm, host, findings);
    check_disk(vm, prior, host, findings);
  }
  check_assignment(vm, spec, findings);
  check_address_width(vm, host, findings);
  if (asks_libvirt) {
    check_partition(vm, host, findings);
    if (vm.name == first_vm(spec)) check_shared(vm, spec, host, findings);
  }
  return findings.results;
}

}  // namespace gpuplan::vm_define
