#include <fmt/format.h>

#include <charconv>
#include <map>
#include <numeric>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "host/xml/domain_xml.h"
#include "host_subject.h"
#include "report/diagnostic.h"

namespace gpuplan::iommu_check {
namespace {

// 64 GB as it is sold: what the firmware keeps for itself must not turn it into a warning.
constexpr std::int64_t recommended_mib = 64'000'000'000 / (1 << 20);

// What QEMU needs beside the guest's memory: its own heap and firmware, a stack per processor, and
// page tables of 8 bytes per 4 KiB page.
std::int64_t overhead_mib(const VmResources& vm) { return 256 + 8 * vm.cpus + vm.memory_mib / 512; }

std::int64_t number_after(const std::string& text, const std::string& key) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    std::int64_t value = 0;
    if (word == key && words >> value) return value;
  }
  return 0;
}

// Huge pages of one size, by NUMA node, in MiB; VMs that are bound to no node stand under any_node.
using ByNode = std::map<int, std::int64_t>;
constexpr int any_node = -1;

// What runs on the host; empty if libvirt cannot be asked, which the check libvirt says.
std::vector<DomainDefinition> running_vms(const HostSubject& subject) {
  std::vector<DomainDefinition> running;
  try {
    for (const DomainState& state : subject.host.hypervisor().domains()) {
      if (state.power != PowerState::running) continue;
      if (auto definition = parse_domain(state.xml)) running.push_back(std::move(*definition));
    }
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
  }
  return running;
}

// The memory of this cluster's running VMs that already lies in huge pages of that size.
ByNode used_by_own_vms(const HostSubject& subject, const std::string& size) {
  ByNode used;
  for (const DomainDefinition& vm : running_vms(subject)) {
    if (vm.owner.cluster != subject.spec.cluster || vm.hugepages != size) continue;
    used[vm.numa_node.value_or(any_node)] += vm.memory_mib;
  }
  return used;
}

std::string directory_of(std::int64_t page_mib) { return fmt::format("hugepages-{}kB", page_mib * 1024); }

// `counter`: free_hugepages or nr_hugepages, which are those in use as well.
// Source: https://docs.kernel.org/admin-guide/mm/hugetlbpage.html
ByNode huge_pages(FileReader& files, std::int64_t page_mib, const char* counter) {
  ByNode found;
  for (const std::string& node : files.list("/sys/devices/system/node")) {
    int number = 0;
    if (node.rfind("node", 0) != 0) continue;
    if (std::from_chars(node.data() + 4, node.data() + node.size(), number).ec != std::errc()) continue;
    const auto text = read_trimmed(files, fmt::format("/sys/devices/system/node/{}/hugepages/{}/{}", node,
                                                      directory_of(page_mib), counter));
    std::int64_t pages = 0;
    if (text && std::from_chars(text->data(), text->data() + text->size(), pages).ec == std::errc()) {
      found[number] += pages * page_mib;
    }
  }
  return found;
}

std::int64_t sum(const ByNode& by_node) {
  return std::accumulate(by_node.begin(), by_node.end(), std::int64_t{0},
                         [](std::int64_t total, const auto& entry) { return total + entry.second; });
}

// The node to which vm-define binds the VM's memory: that of all its GPUs.
int node_of(const HostSubject& subject, const DeclaredVm& vm) {
  if (vm.worker == nullptr || vm.resources.numa != "auto") return any_node;
  std::set<int> nodes;
  for (const std::size_t index : vm.worker->gpu_indexes) {
    if (index >= subject.spec.gpus.size()) continue;
    for (const PciFunction& function : read_slot_functions(subject.host.files(), subject.spec.gpus[index].address)) {
      nodes.insert(function.numa_node);
    }
  }
  return nodes.size() == 1 ? *nodes.begin() : any_node;
}

std::string how_to_reserve(const std::string& directory, int node, std::int64_t pages) {
  return fmt::format("reserve {0} more on node {1}, early after a boot: `f=/sys/devices/system/node/node{1}/hugepages/{2}/"
                     "nr_hugepages; echo $(($(cat $f) + {0})) >$f`; or set numa: none or hugepages: none",
                     pages, node, directory);
}

CheckResult check_hugepages_of(const HostSubject& subject, const std::string& size, const ByNode& needed) {
  const std::int64_t page_mib = size == "1G" ? 1024 : 2;
  const std::string directory = directory_of(page_mib);
  const std::string from = "/sys/devices/system/node/node*/hugepages/" + directory + "/free_hugepages";
  ByNode free;
  try {
    free = huge_pages(subject.host.files(), page_mib, "free_hugepages");
  } catch (const HostError& error) {
    return subject.result("hugepages", CheckStatus::fail, error.what(), from, "see whether this kernel has huge pages");
  }
  ByNode used = used_by_own_vms(subject, size);
  const std::int64_t needed_mib = sum(needed), free_mib = sum(free), used_mib = sum(used);
  const std::string found = fmt::format("the VMs need {} MiB in huge pages of {}; {} MiB are free{}", needed_mib, size,
                                        free_mib, used_mib == 0 ? "" : fmt::format(" and {} MiB theirs already", used_mib));
  if (needed_mib > free_mib + used_mib) {
    return subject.result("hugepages", CheckStatus::fail, found, from,
                          fmt::format("reserve {} more: with hugepagesz={} hugepages={} on the kernel command line and a "
                                      "reboot, or set hugepages: none",
                                      (needed_mib - free_mib - used_mib + page_mib - 1) / page_mib, size,
                                      (needed_mib + page_mib - 1) / page_mib),
                          "vm_resources");
  }
  for (const auto& [node, on_node_mib] : needed) {
    // Where the pages of a running VM without a node lie is unknown: it gets the benefit of the doubt.
    const std::int64_t missing = on_node_mib - free[node] - used[node] - used[any_node];
    if (node == any_node || missing <= 0) continue;
    return subject.result("hugepages", CheckStatus::fail,
                          fmt::format("{}, but the VMs whose GPUs are on NUMA node {} need {} MiB there, where {} MiB are "
                                      "free{}", found, node, on_node_mib, free[node],
                                      used[node] == 0 ? "" : fmt::format(" and {} MiB theirs already", used[node])),
                          from, how_to_reserve(directory, node, (missing + page_mib - 1) / page_mib), "vm_resources");
  }
  return subject.pass("hugepages", found, from);
}

// What is no more to be had for VMs that are in no huge pages, in MiB, and what has it; empty where nothing has.
struct TakenMemory {
  std::int64_t mib = 0;
  std::string text;
};

TakenMemory taken_memory(const HostSubject& subject) {
  TakenMemory taken;
  std::int64_t in_vms = 0;
  std::string names;
  for (const DomainDefinition& vm : running_vms(subject)) {
    if (vm.owner.cluster == subject.spec.cluster || vm.hugepages != "none") continue;
    in_vms += vm.memory_mib;
    names += (names.empty() ? "" : ", ") + printable(vm.name);
  }
  std::int64_t in_huge_pages = 0;
  if (subject.host.files().kind("/sys/devices/system/node") != FileKind::none) {
    for (const std::int64_t page_mib : {2, 1024}) in_huge_pages += sum(huge_pages(subject.host.files(), page_mib, "nr_hugepages"));
  }
  taken.mib = in_vms + in_huge_pages;
  if (in_vms > 0) taken.text += fmt::format(" + {} MiB of VMs that are not of this cluster ({})", in_vms, names);
  if (in_huge_pages > 0) taken.text += fmt::format(" + {} MiB reserved for huge pages", in_huge_pages);
  return taken;
}

}  // namespace

CheckResult check_memory(const HostSubject& subject) {
  const char* const name = "memory-size";
  const std::int64_t total = number_after(subject.read("/proc/meminfo"), "MemTotal:") / 1024;
  std::int64_t vms = 0, overhead = 0;
  for (const DeclaredVm& vm : subject.vms()) {
    if (vm.resources.hugepages == "none") vms += vm.resources.memory_mib;  // check_hugepages sees to the others
    overhead += overhead_mib(vm.resources);
  }
  const std::int64_t reserve = subject.spec.host.memory_reserve_mib;
  const TakenMemory taken = taken_memory(subject);
  const std::int64_t needed = vms + overhead + reserve + taken.mib;
  const std::string found =
      fmt::format("{} MiB of VMs + {} MiB overhead + {} MiB host.memory_reserve{} = {} MiB; this host has {} MiB", vms,
                  overhead, reserve, taken.text, needed, total);
  if (needed > total) {
    return subject.result(name, CheckStatus::fail, found, "/proc/meminfo",
                          fmt::format("passed-through VMs cannot share memory: take {} MiB out of vm_resources",
                                      needed - total),
                          "vm_resources");
  }
  if (total < recommended_mib) {
    return subject.result(name, CheckStatus::warn, fmt::format("{}; less than 64 GB is tight", found), "/proc/meminfo",
                          "expect slow or failing pods; 64 GB or more is recommended");
  }
  return subject.pass(name, found, "/proc/meminfo");
}

std::vector<CheckResult> check_hugepages(const HostSubject& subject) {
  std::vector<CheckResult> results;
  for (const char* size : {"2M", "1G"}) {
    ByNode needed;
    for (const DeclaredVm& vm : subject.vms()) {
      if (vm.resources.hugepages == size) needed[node_of(subject, vm)] += vm.resources.memory_mib;
    }
    if (!needed.empty()) results.push_back(check_hugepages_of(subject, size, needed));
  }
  return results;
}

}  // namespace gpuplan::iommu_check
