#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "host_subject.h"

namespace gpuplan::iommu_check {
namespace {

constexpr std::uint64_t gib = 1ULL << 30U;
constexpr std::uint64_t low_memory = 4 * gib;  // below it lie 32-bit BARs and firmware

// The narrowest of the VT-d units: bits 21:16 of the capability register, plus one (MGAW).
// Source: Intel VT-d specification, Capability Register. AMD's registers say nothing comparable.
int iommu_bits(FileReader& files) {
  int narrowest = 0;
  std::vector<std::string> units;
  try {
    units = files.list("/sys/class/iommu");
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
  }
  for (const std::string& unit : units) {
    const auto text = read_trimmed(files, "/sys/class/iommu/" + unit + "/intel-iommu/cap");
    std::uint64_t capability = 0;
    if (!text || std::from_chars(text->data(), text->data() + text->size(), capability, 16).ec != std::errc()) continue;
    const int bits = static_cast<int>((capability >> 16U) & 0x3FU) + 1;
    narrowest = narrowest == 0 ? bits : std::min(narrowest, bits);
  }
  return narrowest;
}

std::uint64_t next_power_of_two(std::uint64_t value) {
  std::uint64_t power = 1;
  while (power < value && power < (1ULL << 62U)) power <<= 1U;
  return power;
}

// What one VM needs: the firmware places its GPUs' BARs in an aligned window above the memory.
struct Need {
  std::string vm;
  std::uint64_t bars = 0;
  std::uint64_t top = 0;  // first address behind the window
};

Need need_of(const DeclaredVm& vm, const Spec& spec, FileReader& files) {
  Need need;
  need.vm = vm.name;
  for (const std::size_t index : vm.worker->gpu_indexes) {
    if (index >= spec.gpus.size()) continue;
    for (const PciFunction& function : read_slot_functions(files, spec.gpus[index].address)) {
      need.bars += function.window_bytes();
    }
  }
  if (need.bars == 0) return need;
  const std::uint64_t window = 2 * next_power_of_two(need.bars);
  const std::uint64_t memory = (static_cast<std::uint64_t>(vm.resources.memory_mib) << 20U) + low_memory;
  need.top = (memory + window - 1) / window * window + window;
  return need;
}

int bits_for(std::uint64_t top) {
  int bits = 0;
  while (bits < 63 && (1ULL << static_cast<unsigned>(bits)) < top) ++bits;
  return bits;
}

}  // namespace

CheckResult check_address_width(const HostSubject& subject) {
  const char* const name = "address-width";
  FileReader& files = subject.host.files();
  const int cpu = read_cpu(files).physical_bits;
  const int iommu = iommu_bits(files);
  if (cpu == 0) {
    return subject.result(name, CheckStatus::warn, "the processor's address width is unknown", "/proc/cpuinfo",
                          "make sure that the BARs of the GPUs of each VM fit");
  }
  const int bits = iommu == 0 ? cpu : std::min(cpu, iommu);
  const std::string widths = iommu == 0 ? fmt::format("processor {} bits", cpu)
                                        : fmt::format("processor {} bits, IOMMU {} bits", cpu, iommu);
  Need widest;
  for (const DeclaredVm& vm : subject.vms()) {
    if (!vm.worker) continue;
    const Need need = need_of(vm, subject.spec, files);
    if (need.top > widest.top) widest = need;
  }
  const std::string from = "/proc/cpuinfo, /sys/class/iommu, resource of each GPU";
  if (widest.top == 0) return subject.pass(name, widths, from);
  const std::string needs = fmt::format("{} has {} GiB of BARs and needs {} bits", widest.vm,
                                        (widest.bars + gib - 1) / gib, bits_for(widest.top));
  if (bits_for(widest.top) <= bits) return subject.pass(name, fmt::format("{}; {}", widths, needs), from);
  return subject.result(name, CheckStatus::fail, fmt::format("{}; {}", needs, widths), from,
                        "give this worker fewer GPUs");
}

}  // namespace gpuplan::iommu_check
