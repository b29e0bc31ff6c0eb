#include "placement.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan::vm_define {
namespace {

constexpr std::int64_t least_window_mib = 32 * 1024;
constexpr std::int64_t low_memory_mib = 4 * 1024;  // what lies below 4 GiB pushes as much memory above it

std::int64_t next_power_of_two(std::int64_t value) {
  std::int64_t power = 1;
  while (power < value) power *= 2;
  return power;
}

}  // namespace

std::vector<PciFunction> functions_of(FileReader& files, const std::vector<std::string>& gpus) {
  std::vector<PciFunction> functions;
  for (const std::string& gpu : gpus) {
    // Two GPUs of one slot travel together once.
    if (std::any_of(functions.begin(), functions.end(),
                    [&](const PciFunction& function) { return function.address.to_string() == gpu; })) {
      continue;
    }
    const auto address = parse_bdf(gpu);
    std::vector<PciFunction> slot = address ? read_slot_functions(files, *address) : std::vector<PciFunction>{};
    if (std::none_of(slot.begin(), slot.end(),
                     [&](const PciFunction& function) { return function.address == *address; })) {
      throw HostError(HostError::Kind::not_found, gpu, fmt::format("there is no PCI function {} on this host", gpu));
    }
    functions.insert(functions.end(), slot.begin(), slot.end());
  }
  return functions;
}

std::int64_t mmio64_window_mib(const std::vector<PciFunction>& functions) {
  if (functions.empty()) return 0;
  constexpr std::uint64_t mib = 1ULL << 20U;
  std::uint64_t bytes = 0;
  for (const PciFunction& function : functions) bytes += function.window_bytes();
  return std::max(least_window_mib, 2 * next_power_of_two(static_cast<std::int64_t>((bytes + mib - 1) / mib)));
}

int address_bits_needed(std::int64_t memory_mib, std::int64_t window_mib) {
  if (window_mib <= 0) return 0;
  const std::int64_t memory_end = memory_mib + low_memory_mib;
  const std::int64_t window_begin = (memory_end + window_mib - 1) / window_mib * window_mib;
  int bits = 20;
  while ((1LL << (bits - 20)) < window_begin + window_mib) ++bits;
  return bits;
}

std::optional<int> common_node(const std::vector<PciFunction>& functions) {
  if (functions.empty() || functions.front().numa_node < 0) return std::nullopt;
  const int node = functions.front().numa_node;
  const bool same = std::all_of(functions.begin(), functions.end(),
                                [&](const PciFunction& function) { return function.numa_node == node; });
  return same ? std::optional<int>(node) : std::nullopt;
}

std::string processors_of_node(FileReader& files, int node) {
  return read_trimmed(files, fmt::format("/sys/devices/system/node/node{}/cpulist", node)).value_or("");
}

}  // namespace gpuplan::vm_define
