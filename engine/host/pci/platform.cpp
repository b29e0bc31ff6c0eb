#include "host/pci/platform.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <string_view>

#include "host/pci/pci.h"

namespace gpuplan {
namespace {

bool has_word(const std::string& text, const std::string& word) {
  std::istringstream words(text);
  for (std::string each; words >> each;) {
    if (each == word) return true;
  }
  return false;
}

// "52 bits physical, 57 bits virtual"
void read_address_sizes(const std::string& text, CpuFacts& facts) {
  std::istringstream words(text);
  int bits = 0;
  std::string unit, of;
  while (words >> bits >> unit >> of) {
    if (bits <= 0) continue;
    if (of.rfind("physical", 0) == 0) facts.physical_bits = bits;
    if (of.rfind("virtual", 0) == 0) facts.virtual_bits = bits;
  }
}

std::optional<std::uint64_t> hexadecimal(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

// Bits 21:16 of the capability register hold the width minus one.
std::optional<int> intel_iommu_bits(const std::string& capability) {
  const auto value = hexadecimal(capability);
  return value ? std::optional<int>(static_cast<int>((*value >> 16U) & 0x3fU) + 1) : std::nullopt;
}

// Bits 11:10 of the extended feature register: with how many levels of page tables guests' addresses are translated. Kernels
// since 5.18 write a second register before it: "0:29d3".
std::optional<int> amd_iommu_bits(const std::string& features) {
  const auto value = hexadecimal(std::string_view(features).substr(features.find(':') + 1));
  if (!value) return std::nullopt;
  constexpr std::array<std::optional<int>, 4> bits_of_levels = {48, 57, 64, std::nullopt};
  return bits_of_levels.at((*value >> 10U) & 3U);
}

// Of one unit of /sys/class/iommu.
std::optional<int> iommu_bits(FileReader& files, const std::string& unit) {
  if (const auto capability = read_trimmed(files, unit + "/intel-iommu/cap")) return intel_iommu_bits(*capability);
  if (const auto features = read_trimmed(files, unit + "/amd-iommu/features")) return amd_iommu_bits(*features);
  return std::nullopt;
}

}  // namespace

CpuFacts read_cpu(FileReader& files) {
  CpuFacts facts;
  std::istringstream lines(read_trimmed(files, "/proc/cpuinfo").value_or(""));
  for (std::string line; std::getline(lines, line) && !line.empty();) {
    const std::string value = line.substr(std::min(line.size(), line.find(':') + 1));
    if (line.rfind("vendor_id", 0) == 0) {
      facts.is_intel = has_word(value, "GenuineIntel");
      facts.is_amd = has_word(value, "AuthenticAMD");
    } else if (line.rfind("model name", 0) == 0) {
      facts.model = value.substr(std::min(value.size(), value.find_first_not_of(' ')));
    } else if (line.rfind("flags", 0) == 0) {
      facts.has_virtualization = has_word(value, "vmx") || has_word(value, "svm");
      facts.is_guest = has_word(value, "hypervisor");
    } else if (line.rfind("address sizes", 0) == 0) {
      read_address_sizes(value, facts);
    }
  }
  return facts;
}

std::string read_iommu_table(FileReader& files) {
  if (files.kind("/sys/firmware/acpi/tables/DMAR") != FileKind::none) return "intel";
  if (files.kind("/sys/firmware/acpi/tables/IVRS") != FileKind::none) return "amd";
  return "none";
}

std::size_t count_iommu_groups(FileReader& files) {
  try {
    return files.list("/sys/kernel/iommu_groups").size();
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out) throw;
    return 0;
  }
}

bool has_interrupt_remapping(FileReader& files) {
  std::istringstream words(read_trimmed(files, "/proc/interrupts").value_or(""));
  for (std::string word; words >> word;) {
    if (word.rfind("IR-", 0) == 0) return true;
  }
  return false;
}

std::optional<int> AddressWidth::usable() const {
  if (cpu && iommu) return std::min(*cpu, *iommu);
  return cpu ? cpu : iommu;
}

AddressWidth read_address_width(FileReader& files) {
  AddressWidth width;
  width.cpu = read_cpu(files).physical_bits;
  const std::string units = "/sys/class/iommu";
  if (files.kind(units) == FileKind::none) return width;
  for (const std::string& unit : files.list(units)) {
    const auto bits = iommu_bits(files, units + "/" + unit);
    if (bits) width.iommu = width.iommu ? std::min(*width.iommu, *bits) : *bits;
  }
  return width;
}

}  // namespace gpuplan
