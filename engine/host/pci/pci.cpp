#include "host/pci/pci.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "host/pci/nvidia/device.h"

namespace gpuplan {
namespace {

constexpr const char* devices_path = "/sys/bus/pci/devices";

// include/linux/ioport.h: what the third column of sysfs `resource` means.
constexpr std::uint64_t resource_memory = 0x200;
constexpr std::uint64_t resource_io = 0x100;
constexpr std::uint64_t resource_prefetch = 0x2000;
constexpr std::uint64_t resource_64_bit = 0x100000;
constexpr std::uint64_t resource_unset = 0x20000000;
constexpr int bar_count = 6;

std::string trimmed(const std::string& text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0'; };
  std::size_t begin = 0, end = text.size();
  while (begin < end && is_blank(text[begin])) ++begin;
  while (end > begin && is_blank(text[end - 1])) --end;
  return text.substr(begin, end - begin);
}

// "0x10de", "-1", "12"; nothing for anything else.
std::optional<std::int64_t> parse_number(std::string_view text) {
  int base = 10;
  if (text.substr(0, 2) == "0x") {
    base = 16;
    text.remove_prefix(2);
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::int64_t read_number(FileReader& files, const std::string& path, std::int64_t fallback, std::int64_t least,
                         std::int64_t most) {
  const auto text = read_trimmed(files, path);
  const auto value = text ? parse_number(*text) : std::nullopt;
  return value && *value >= least && *value <= most ? *value : fallback;
}

// The last component of a link's target; empty if there is no such link.
std::string link_name(FileReader& files, const std::string& path) {
  try {
    const std::string target = trimmed(files.read_link(path));
    return target.substr(target.rfind('/') == std::string::npos ? 0 : target.rfind('/') + 1);
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out || error.kind() == HostError::Kind::unreachable) throw;
    return {};
  }
}

std::vector<PciBar> parse_bars(const std::string& text) {
  std::vector<PciBar> bars;
  std::istringstream lines(text);
  std::string line;
  for (int index = 0; index < bar_count && std::getline(lines, line); ++index) {
    std::istringstream columns(line);
    std::uint64_t start = 0, end = 0, flags = 0;
    columns >> std::hex >> start >> end >> flags;
    if (columns.fail() || (flags & (resource_memory | resource_io)) == 0 || end < start) continue;
    PciBar bar;
    bar.index = index;
    bar.size = end - start + 1;
    bar.base = (flags & resource_unset) != 0 ? 0 : start;
    bar.is_64_bit = (flags & resource_64_bit) != 0;
    bar.is_prefetchable = (flags & resource_prefetch) != 0;
    bars.push_back(bar);
  }
  return bars;
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

// Kernels before 5.15 have no `reset_method`; there the file `reset` exists if some method works.
std::vector<std::string> read_reset_methods(FileReader& files, const std::string& device) {
  if (const auto text = read_trimmed(files, device + "/reset_method")) return words(*text);
  if (files.kind(device + "/reset") != FileKind::none) return {"reset"};
  return {};
}

PciFunction read_function(FileReader& files, const Bdf& address) {
  const std::string device = sysfs_device(address);
  PciFunction function;
  function.address = address;
  function.id.vendor = static_cast<std::uint16_t>(read_number(files, device + "/vendor", 0, 0, 0xFFFF));
  function.id.device = static_cast<std::uint16_t>(read_number(files, device + "/device", 0, 0, 0xFFFF));
  function.class_code = static_cast<std::uint32_t>(read_number(files, device + "/class", 0, 0, 0xFFFFFF));
  function.revision = static_cast<std::uint8_t>(read_number(files, device + "/revision", 0, 0, 0xFF));
  function.driver = link_name(files, device + "/driver");
  const std::string override_text = read_trimmed(files, device + "/driver_override").value_or("");
  if (override_text != "(null)") function.driver_override = override_text;
  const auto group = parse_number(link_name(files, device + "/iommu_group"));
  if (group && *group >= 0 && *group <= 0xFFFFFF) function.iommu_group = static_cast<int>(*group);
  function.numa_node = static_cast<int>(read_number(files, device + "/numa_node", -1, -1, 0xFFFF));
  function.bars = parse_bars(read_trimmed(files, device + "/resource").value_or(""));
  function.reset_methods = read_reset_methods(files, device);
  function.boot_display = read_number(files, device + "/boot_vga", 0, 0, 1) == 1;
  function.virtual_functions = static_cast<int>(read_number(files, device + "/sriov_numvfs", 0, 0, 0xFFFF));
  return function;
}

std::vector<Bdf> addresses_in(FileReader& files, const std::string& path) {
  std::vector<Bdf> addresses;
  // Names with a longer domain (Intel VMD's "10000:e1:00.0") are outside what can be passed through.
  for (const std::string& name : files.list(path)) {
    if (const auto address = parse_bdf(name)) addresses.push_back(*address);
  }
  std::sort(addresses.begin(), addresses.end());
  return addresses;
}

}  // namespace

bool PciFunction::is_gpu() const {
  const std::uint32_t kind = class_code >> 8U;
  return kind == 0x0300 || kind == 0x0302 || kind == 0x0380 || kind == 0x1200;
}

bool PciFunction::is_nvswitch() const { return gpuplan::is_nvswitch(id, class_code); }

bool PciFunction::is_bridge() const { return class_code >> 16U == 0x06 && !is_nvswitch(); }

bool PciFunction::is_usb_controller() const { return class_code >> 8U == 0x0C03; }

bool PciFunction::leaves_group_to_vfio() const {
  if (driver.empty() || driver == "pci-stub") return true;
  // With its variants, such as mlx5_vfio_pci.
  if (driver.find("vfio-pci") != std::string::npos || driver.find("vfio_pci") != std::string::npos) return true;
  return driver == "pcieport" && class_code >> 8U == 0x0604;
}

std::uint64_t PciFunction::window_bytes() const {
  std::uint64_t sum = 0;
  for (const PciBar& bar : bars) {
    if (bar.is_64_bit && bar.is_prefetchable) sum += bar.size;
  }
  return sum;
}

std::string class_name(const PciFunction& function) {
  if (function.is_nvswitch()) return "NVSwitch";
  const std::uint32_t kind = function.class_code >> 8U;
  switch (kind) {
    case 0x0100: return "SCSI controller";
    case 0x0104: return "RAID controller";
    case 0x0106: return "SATA controller";
    case 0x0107: return "SAS controller";
    case 0x0108: return "NVMe disk";
    case 0x0200: return "Ethernet controller";
    case 0x0207: return "InfiniBand controller";
    case 0x0280: return "Network controller";
    case 0x0300: return "VGA controller";
    case 0x0302: return "3D controller";
    case 0x0380: return "Display controller";
    case 0x0403: return "Audio device";
    case 0x0600: return "Host bridge";
    case 0x0601: return "ISA bridge";
    case 0x0604: return "PCI bridge";
    case 0x0C03: return "USB controller";
    case 0x0C80: return "Serial bus controller";
    case 0x1200: return "Processing accelerator";
    default: return fmt::format("class 0x{:04x}", kind);
  }
}

std::string sysfs_device(const Bdf& address) { return fmt::format("{}/{}", devices_path, address.to_string()); }

std::optional<std::string> read_trimmed(FileReader& files, const std::string& path) {
  try {
    return trimmed(files.read(path));
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::timed_out || error.kind() == HostError::Kind::unreachable) throw;
    return std::nullopt;
  }
}

std::vector<PciFunction> read_pci_functions(FileReader& files) {
  std::vector<PciFunction> functions;
  for (const Bdf& address : addresses_in(files, devices_path)) functions.push_back(read_function(files, address));
  return functions;
}

std::optional<PciFunction> read_pci_function(FileReader& files, const Bdf& address) {
  if (files.kind(sysfs_device(address)) == FileKind::none) return std::nullopt;
  return read_function(files, address);
}

std::vector<PciFunction> read_slot_functions(FileReader& files, const Bdf& address) {
  std::vector<PciFunction> functions;
  Bdf candidate = address;
  for (std::uint8_t number = 0; number < 8; ++number) {
    candidate.function = number;
    auto function = read_pci_function(files, candidate);
    if (function && !function->is_bridge()) functions.push_back(std::move(*function));
  }
  return functions;
}

bool is_off_the_bus(FileReader& files, const Bdf& address) {
  const auto text = [&]() -> std::optional<std::string> {
    try {
      return files.read(sysfs_device(address) + "/config");
    } catch (const HostError& error) {
      if (error.kind() == HostError::Kind::timed_out) throw;
      return std::nullopt;
    }
  }();
  return text && text->size() >= 4 && text->substr(0, 4) == "\xFF\xFF\xFF\xFF";
}

std::string size_words(std::uint64_t bytes) {
  constexpr std::uint64_t kib = 1024;
  if (bytes > 0 && bytes % (kib * kib * kib) == 0) return fmt::format("{}G", bytes / (kib * kib * kib));
  if (bytes > 0 && bytes % (kib * kib) == 0) return fmt::format("{}M", bytes / (kib * kib));
  if (bytes > 0 && bytes % kib == 0) return fmt::format("{}K", bytes / kib);
  return std::to_string(bytes);
}

std::vector<Bdf> read_iommu_group(FileReader& files, int group) {
  return addresses_in(files, fmt::format("/sys/kernel/iommu_groups/{}/devices", group));
}

}  // namespace gpuplan
