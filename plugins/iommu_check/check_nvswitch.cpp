#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "host/pci/nvidia/fabric.h"
#include "host/pci/nvidia/smi.h"
#include "host_subject.h"

namespace gpuplan::iommu_check {
namespace {

constexpr const char* nvswitch_check = "nvswitch";
constexpr const char* single_works = "VMs with one GPU work, without NVLink";

std::string way_to_share() { return fmt::format("{} and run `systemctl restart {}`", how_to_share_fabric(), fabric_service); }

// Also of GPUs that gpuplan has taken from their driver.
std::map<Bdf, std::int64_t> read_modules(const HostSubject& subject) {
  std::map<Bdf, std::int64_t> modules;
  for (const GpuDescription& gpu : describe_gpus(subject.host)) {
    if (gpu.address && gpu.module) modules[*gpu.address] = *gpu.module;
  }
  for (const GpuSpec& gpu : subject.spec.gpus) {
    if (modules.count(gpu.address) > 0) continue;
    if (const auto module = read_gpu_module(subject.host, gpu.address)) modules[gpu.address] = *module;
  }
  return modules;
}

std::string listed(const GpuModules& modules) { return fmt::format("{}", fmt::join(modules, ", ")); }

// The sets of that many GPUs that are partitions, in addresses.
std::string sets_of(const std::vector<FabricPartition>& partitions, std::size_t size,
                    const std::map<Bdf, std::int64_t>& modules) {
  std::string text;
  for (const FabricPartition& partition : partitions) {
    if (partition.modules.size() != size) continue;
    std::string gpus;
    for (const auto& [gpu, module] : modules) {
      if (partition.modules.count(module) > 0) gpus += fmt::format("{}{}", gpus.empty() ? "" : " ", gpu.to_string());
    }
    text += fmt::format("{}{}", text.empty() ? "" : "; or ", gpus.empty() ? "modules " + listed(partition.modules) : gpus);
  }
  return text;
}

std::string in_gpus(std::size_t size) { return fmt::format("{} {}", size, size == 1 ? "GPU" : "GPUs"); }

// What a worker that wants `wanted` GPUs could have instead.
std::string choices(const std::vector<FabricPartition>& partitions, std::size_t wanted,
                    const std::map<Bdf, std::int64_t>& modules) {
  std::set<std::size_t> sizes;
  for (const FabricPartition& partition : partitions) sizes.insert(partition.modules.size());
  if (sizes.count(wanted) > 0) {
    return fmt::format("a worker with {} can have {}", in_gpus(wanted), sets_of(partitions, wanted, modules));
  }
  std::string text = fmt::format("there is no partition of {}", in_gpus(wanted));
  for (const std::size_t size : sizes) text += fmt::format("; a worker with {} can have {}", in_gpus(size), sets_of(partitions, size, modules));
  return text;
}

// The override keeps vfio-pci from it, whose list of ids may have it from the kernel command line.
std::string way_to_module_ids(const std::string& gpu) {
  return fmt::format("only the nvidia driver can tell them, and gpuplan notes them when it takes a GPU from it: while no VM uses it, "
                     "give each of them back, such as with `echo nvidia | sudo tee /sys/bus/pci/devices/{0}/driver_override` and then "
                     "`echo {0} | sudo tee /sys/bus/pci/devices/{0}/driver/unbind /sys/bus/pci/drivers_probe`",
                     gpu);
}

CheckResult compare_with_partitions(const HostSubject& subject, const std::string& switches) {
  const auto partitions = read_fabric_partitions(subject.host);
  const auto modules = read_modules(subject);
  if (partitions.empty()) {
    return subject.result(nvswitch_check, CheckStatus::warn,
                          switches + ", Fabric Manager in shared mode, but its partitions cannot be read", partitions_source,
                          fmt::format("see that {} runs and that `{}` lists partitions; a worker whose GPUs are not exactly "
                                      "one of them, or whose partition is not active, gets CUDA error 802",
                                      fabric_service, partitions_source));
  }
  std::vector<std::string> unknown;
  bool all_there = true;
  for (const WorkerSpec& worker : subject.spec.workers) {
    GpuModules wanted;
    for (const std::size_t index : worker.gpu_indexes) {
      if (index >= subject.spec.gpus.size()) continue;
      const Bdf gpu = subject.spec.gpus[index].address;
      const auto module = modules.find(gpu);
      if (module != modules.end()) {
        wanted.insert(module->second);
        continue;
      }
      const auto function = read_pci_function(subject.host.files(), gpu);
      all_there = all_there && function.has_value();
      if (function) unknown.push_back(gpu.to_string());
    }
    const bool complete = wanted.size() == worker.gpu_indexes.size();
    if (wanted.empty() || !complete || find_partition(partitions, wanted) != nullptr) continue;
    return subject.result(nvswitch_check, CheckStatus::fail,
                          fmt::format("{} gets the GPU modules {}, and no Fabric Manager partition is exactly that",
                                      worker.name, listed(wanted)),
                          fabric_source, choices(partitions, wanted.size(), modules),
                          "worker_gpu_assignment." + worker.key);
  }
  const std::string model = switches + ", Fabric Manager in shared mode";
  if (!all_there) {
    return subject.result(nvswitch_check, CheckStatus::warn,
                          model + "; not compared with its partitions, because GPUs of the spec are not on this host",
                          "/sys/bus/pci/devices", "see the checks of the GPUs");
  }
  if (unknown.empty()) {
    return subject.pass(nvswitch_check, model + "; the GPUs of each worker are one of its partitions", fabric_source);
  }
  return subject.result(nvswitch_check, CheckStatus::fail,
                        fmt::format("{}; which of its partitions they are is unknown, as the module ids of {} cannot be read: their VM "
                                    "would get CUDA error 802", model, fmt::join(unknown, ", ")),
                        modules_source, way_to_module_ids(unknown.front()));
}

bool only_single(const Spec& spec) {
  return std::all_of(spec.workers.begin(), spec.workers.end(),
                     [](const WorkerSpec& worker) { return worker.gpu_indexes.size() <= 1; });
}

// Of switches that PCI does not show only their GPUs know: those of Blackwell boards, or of the server whose VM this is.
// One GPU is asked: those of a server with NVSwitches are all on them.
CheckResult check_hidden_switches(const HostSubject& subject) {
  for (const GpuSpec& gpu : subject.spec.gpus) {
    const auto function = read_pci_function(subject.host.files(), gpu.address);
    if (!function || !has_driver_tool(*function)) continue;
    const std::string fabric = describe_gpu(subject.host, gpu.address).fabric;
    if (fabric.empty()) break;
    const bool single = only_single(subject.spec);
    return subject.result(
        nvswitch_check, CheckStatus::warn,
        fmt::format("PCI shows no NVSwitch, but {} is on some (fabric state: {}), and Fabric Manager is not in shared mode here; {}",
                    gpu.address.to_string(), fabric,
                    single ? single_works : "VMs with several GPUs may get CUDA error 802"),
        description_source(gpu.address),
        fmt::format("if the switches are this host's, {}{}", way_to_share(), single ? "" : ", or give each worker one GPU"));
  }
  return subject.pass(nvswitch_check, "no NVSwitches", "/sys/bus/pci/devices");
}

}  // namespace

CheckResult check_nvswitch(const HostSubject& subject) {
  std::size_t count = 0;
  for (const PciFunction& function : read_pci_functions(subject.host.files())) {
    if (function.is_nvswitch()) ++count;
  }
  const bool shared = shares_fabric(subject.host.files());
  if (count == 0 && !shared) return check_hidden_switches(subject);
  std::string switches = fmt::format("{} NVSwitches stay with the host", count);
  if (count == 1) switches = "1 NVSwitch stays with the host";
  if (count == 0) switches = "the NVSwitches, which PCI does not show here, stay with the host";
  for (const std::string& service : subject.spec.host.stop_services) {
    if (!is_fabric_manager(service)) continue;
    return subject.result(nvswitch_check, CheckStatus::fail, fmt::format("host.stop_services lists {}", fabric_service), "",
                          "take it out: without Fabric Manager no VM has NVLink, and gpuplan never stops it",
                          "host.stop_services");
  }
  if (shared) return compare_with_partitions(subject, switches);
  const std::string found = switches + ", Fabric Manager is not in shared mode";
  if (only_single(subject.spec)) {
    return subject.result(nvswitch_check, CheckStatus::warn, fmt::format("{}; {}", found, single_works), fabric_config_path,
                          way_to_share());
  }
  return subject.result(nvswitch_check, CheckStatus::fail, found + "; VMs with several GPUs would get CUDA error 802", fabric_config_path,
                        way_to_share() + ", or give each worker one GPU");
}

}  // namespace gpuplan::iommu_check
